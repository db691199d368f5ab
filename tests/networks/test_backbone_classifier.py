"""A classifier on the descending half of a diffusion network, against what that network itself computes."""

import pytest
import torch
from monai.networks.nets import DiffusionModelUNet
from torch import nn

from monai_minority.networks import ADMUNet, BackboneClassifier, SpaceToDepth, load_checkpoint, save_weights


def monai_unet(**changes):
    settings = {
        "spatial_dims": 2,
        "in_channels": 1,
        "out_channels": 1,
        "channels": (8, 16),
        "attention_levels": (False, True),
        "num_res_blocks": 1,
        "num_head_channels": 8,
        "norm_num_groups": 8,
    }
    return DiffusionModelUNet(**(settings | changes))


def adm_unet(**changes):
    settings = {
        "image_size": 16,
        "in_channels": 1,
        "model_channels": 32,
        "out_channels": 2,
        "num_res_blocks": 1,
        "attention_resolutions": (2,),
        "channel_mult": (1, 2),
        "num_head_channels": 32,
    }
    return ADMUNet(**(settings | changes))


BACKBONES = {
    "monai": monai_unet,
    "monai conditional": lambda: monai_unet(num_class_embeds=3),
    "monai on blocks": lambda: SpaceToDepth(monai_unet(in_channels=4, out_channels=4)),
    "adm": adm_unet,
    "adm conditional": lambda: adm_unet(num_classes=3),
    "adm on blocks": lambda: SpaceToDepth(adm_unet(in_channels=4, out_channels=8)),
}


def scrambled(network):
    """Weights that are nowhere zero, as zeroed branches would hide a fault."""
    torch.manual_seed(0)
    for parameter in network.parameters():
        nn.init.normal_(parameter, std=0.1)
    return network.eval()


def inputs_of(classifier):
    torch.manual_seed(1)
    labels = {} if classifier.num_classes is None else {"class_labels": torch.tensor([0, 2, 1])}
    return torch.randn(3, 1, 16, 16), torch.tensor([0, 250, 999]), labels


@pytest.fixture(params=BACKBONES)
def backbone(request):
    return scrambled(BACKBONES[request.param]())


def test_its_maps_are_those_of_the_backbone(backbone):
    """The middle block's output and the skips, as the whole network computes them."""
    network = backbone.network if isinstance(backbone, SpaceToDepth) else backbone
    classifier = BackboneClassifier(backbone, out_channels=4).eval()
    x, timesteps, labels = inputs_of(classifier)
    seen = {}
    network.middle_block.register_forward_hook(lambda module, args, output: seen.update(middle=output))
    first = network.conv_in if isinstance(network, DiffusionModelUNet) else network.input_blocks[0]
    first.register_forward_hook(lambda module, args, output: seen.update(first=output))
    backbone(x, timesteps, **labels)
    middle, first = seen["middle"], seen["first"]
    maps = []
    classifier.head.register_forward_pre_hook(lambda module, args: maps.append(args[0]))
    logits = classifier(x, timesteps, **labels)
    features = maps[0]
    width = first.shape[1]
    torch.testing.assert_close(features[:, :width], first.mean((2, 3)), rtol=1e-5, atol=1e-6)
    grid = nn.functional.adaptive_avg_pool2d(middle, 3).flatten(1)
    torch.testing.assert_close(features[:, -grid.shape[1] :], grid, rtol=1e-5, atol=1e-6)
    spread = middle.flatten(2).std(2, correction=0)
    end = features.shape[1] - grid.shape[1]
    torch.testing.assert_close(features[:, end - spread.shape[1] : end], spread, rtol=1e-3, atol=1e-3)
    assert logits.shape == (3, 4)


def test_tuning_leaves_the_backbone_as_it_is_and_reaches_every_weight(backbone):
    before = {name: tensor.clone() for name, tensor in backbone.state_dict().items()}
    classifier = BackboneClassifier(backbone.requires_grad_(False), out_channels=4)
    x, timesteps, labels = inputs_of(classifier)
    optimizer = torch.optim.SGD(classifier.parameters(), lr=0.1)
    nn.functional.cross_entropy(classifier(x, timesteps, **labels), torch.tensor([0, 1, 3])).backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in classifier.parameters())
    optimizer.step()
    assert all(torch.equal(before[name], tensor) for name, tensor in backbone.state_dict().items())


def test_gradients_reach_the_image_where_maps_are_constant(backbone):
    classifier = BackboneClassifier(backbone, out_channels=4).eval()
    _, timesteps, labels = inputs_of(classifier)
    x = torch.zeros(3, 1, 16, 16, requires_grad=True)
    classifier(x, timesteps, **labels).sum().backward()
    assert x.grad.isfinite().all() and x.grad.abs().sum() > 0


def test_weights_go_to_a_file_and_back(backbone, tmp_path):
    classifier = BackboneClassifier(backbone, out_channels=4).eval()
    x, timesteps, labels = inputs_of(classifier)
    expected = classifier(x, timesteps, **labels)
    save_weights(classifier, tmp_path / "model.pt")
    for parameter in backbone.parameters():
        nn.init.zeros_(parameter)
    other = load_checkpoint(BackboneClassifier(backbone, out_channels=4), tmp_path / "model.pt").eval()
    assert torch.equal(other(x, timesteps, **labels), expected)
    assert not any("up_blocks" in name or "output_blocks" in name for name in classifier.state_dict())


@pytest.mark.parametrize(
    "build", [lambda labels: monai_unet(num_class_embeds=labels), lambda n: adm_unet(num_classes=n)]
)
def test_a_classifier_of_labels_is_not_told_them(build):
    """It computes what it would on a backbone whose table of labels is zero."""
    conditional = scrambled(build(3))
    torch.manual_seed(3)
    blind = BackboneClassifier(conditional, 4, conditional=False).eval()
    assert blind.num_classes is None
    assert not [name for name in blind.state_dict() if name.endswith(("class_embedding.weight", "label_emb.weight"))]
    for name, table in conditional.named_parameters():
        if name.endswith(("class_embedding.weight", "label_emb.weight")):
            torch.nn.init.zeros_(table)
    told = BackboneClassifier(conditional, 4).eval()
    told.head.load_state_dict(blind.head.state_dict())
    x, t = torch.randn(2, 1, 16, 16), torch.tensor([3, 700])
    with torch.no_grad():
        torch.testing.assert_close(blind(x, t), told(x, t, class_labels=torch.tensor([0, 2])))


def test_bad_arguments():
    with pytest.raises(ValueError, match="backbone must be an ADMUNet.*got Linear"):
        BackboneClassifier(nn.Linear(1, 1), out_channels=2)
    classifier = BackboneClassifier(monai_unet(num_class_embeds=3), out_channels=2)
    with pytest.raises(ValueError, match="class_labels must be given"):
        classifier(torch.zeros(1, 1, 16, 16), torch.tensor([0]))
    with pytest.raises(ValueError, match="context must be None"):
        classifier(torch.zeros(1, 1, 16, 16), torch.tensor([0]), context=torch.zeros(1, 1, 1))
