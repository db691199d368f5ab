"""Extractors: preprocessing, weights read from local files, and clear words where they are absent."""

import numpy as np
import pytest
import timm
import torch
from torch import nn
from torchvision.models import resnet50

from monai_minority.evaluation.features import (
    DINO,
    FeatureExtractor,
    Inception,
    InceptionMaps,
    RandomResNet50,
    RandomVGG16,
    ResNet50,
    TorchScriptFeatures,
    describe_extractor,
    initialise,
    published_spaces,
)
from monai_minority.evaluation.features.inception import fid_inception
from monai_minority.evaluation.fidelity import CleanResize


@pytest.fixture
def images():
    return torch.rand(2, 3, 40, 40) * 2 - 1


def test_preprocessing_is_what_it_says():
    extractor = FeatureExtractor(nn.Identity(), name="identity", size=None)
    grey = torch.tensor([-1.0, 0.0, 1.0]).view(3, 1, 1, 1)
    expected = (torch.tensor([[0.0], [0.5], [1.0]]) - torch.tensor([0.485, 0.456, 0.406])) / torch.tensor(
        [0.229, 0.224, 0.225]
    )
    torch.testing.assert_close(extractor(grey)[..., 0, 0], expected)
    assert extractor.resizing == "none"
    resized = FeatureExtractor(nn.Identity(), name="identity", size=8, mean=(0.5,) * 3, std=(0.5,) * 3)
    flat = torch.full((1, 1, 31, 17), 0.3)
    torch.testing.assert_close(resized(flat), torch.full((1, 3, 8, 8), 0.3))
    assert "8 x 8" in resized.resizing
    with pytest.raises(ValueError, match=r"\(1, 2, 8, 8\)"):
        resized(torch.zeros(1, 2, 8, 8))


def test_extractors_stay_in_evaluation_mode():
    extractor = FeatureExtractor(nn.Sequential(nn.Flatten(), nn.Dropout()), name="dropout", size=None)
    assert not extractor.train().network[1].training


def test_initialisation_has_the_stated_moments():
    with torch.device("meta"):
        network = nn.Sequential(nn.Conv2d(16, 64, 3), nn.BatchNorm2d(64), nn.Linear(500, 400))
    network = initialise(network, seed=1)
    assert network[0].weight.var().item() == pytest.approx(2 / (16 * 9), rel=0.05)
    assert network[2].weight.var().item() == pytest.approx(2 / 500, rel=0.05)
    assert not network[0].bias.any()
    assert (network[1].weight == 1).all() and (network[1].running_var == 1).all()
    with torch.device("meta"), pytest.raises(ValueError, match="LayerNorm"):
        initialise(nn.Sequential(nn.LayerNorm(3)), seed=0)


def test_random_resnet50_depends_on_its_seed_alone(images):
    torch.manual_seed(5)
    first = RandomResNet50(seed=3)
    torch.manual_seed(6)
    features = first(images)
    assert features.shape == (2, 2048)
    assert torch.equal(RandomResNet50(seed=3)(images), features)
    assert not torch.allclose(RandomResNet50(seed=4)(images), features, rtol=0.1)
    torch.testing.assert_close(first(images[1:]), features[1:], rtol=1e-4, atol=1e-4)


def test_random_vgg16_keeps_the_scale_of_activations(images):
    extractor = RandomVGG16(seed=0)
    features = extractor(images[:1])
    assert features.shape == (1, 4096)
    # He initialisation: the mean square stays that of the input through 15 layers, within their randomness.
    ratio = 2 * features.square().mean() / extractor.preprocess(images[:1]).square().mean()
    assert 0.05 < ratio < 20


def test_resnet50_reads_torchvision_weights(tmp_path, images):
    reference = resnet50().eval()
    torch.save(reference.state_dict(), tmp_path / "w.pth")
    extractor = ResNet50(tmp_path / "w.pth")
    reference.fc = nn.Identity()
    with torch.no_grad():
        torch.testing.assert_close(extractor(images), reference(extractor.preprocess(images)))
    torch.save({"other": torch.zeros(1)}, tmp_path / "bad.pth")
    with pytest.raises(ValueError, match="does not hold torchvision's ResNet-50"):
        ResNet50(tmp_path / "bad.pth")


def test_torchscript_file(tmp_path, images):
    network = nn.Sequential(nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(12, 5))
    torch.jit.script(network).save(tmp_path / "net.pt")
    extractor = TorchScriptFeatures(tmp_path / "net.pt", size=None, mean=(0.5,) * 3, std=(0.5,) * 3)
    torch.testing.assert_close(extractor(images), network(images))
    assert "net.pt" in describe_extractor(extractor)["extractor"]
    with pytest.raises(FileNotFoundError, match="absent.pt"):
        TorchScriptFeatures(tmp_path / "absent.pt")
    (tmp_path / "text.pt").write_text("no")
    with pytest.raises(ValueError, match="no TorchScript"):
        TorchScriptFeatures(tmp_path / "text.pt")


def test_dino_reads_a_backbone_with_its_head_left_out(tmp_path, images):
    reference = timm.create_model("vit_tiny_patch16_224", num_classes=0, img_size=32).eval()
    torch.save({**reference.state_dict(), "head.weight": torch.zeros(3)}, tmp_path / "dino.pth")
    extractor = DINO(tmp_path / "dino.pth", "vit_tiny_patch16_224", size=32)
    torch.testing.assert_close(extractor(images), reference(extractor.preprocess(images)))
    with pytest.raises(ValueError, match="must be given for 'vit_tiny_patch16_224'"):
        DINO(architecture="vit_tiny_patch16_224")


class _Pixels(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Flatten()


def test_inception_sees_what_clean_fid_sees(tmp_path):
    torch.jit.script(_Pixels()).save(tmp_path / "inception.pt")
    pixels = torch.randint(0, 256, (2, 1, 20, 30), dtype=torch.uint8)
    features = Inception(tmp_path / "inception.pt")(pixels / 127.5 - 1)
    expected = CleanResize(299)(pixels.expand(-1, 3, -1, -1).permute(0, 2, 3, 1).numpy())
    expected = (expected.transpose(0, 3, 1, 2).reshape(2, -1) - 128) / 128
    np.testing.assert_array_equal(features.numpy(), expected)


def test_inception_maps_are_those_of_the_named_branch(tmp_path, images):
    reference = fid_inception().eval()
    torch.save(reference.state_dict(), tmp_path / "inception.pth")
    extractor = InceptionMaps(tmp_path / "inception.pth")
    seen = {}
    reference.Mixed_6d.branch1x1.register_forward_hook(lambda _, __, out: seen.update(maps=out))
    with torch.no_grad():
        reference(extractor.preprocess(images[:1]))
        maps = extractor(images[:1])
    assert maps.shape == (1, 7, 17, 17)
    torch.testing.assert_close(maps, seen["maps"][:, :7])


@pytest.mark.parametrize(
    ("extractor", "file"),
    [
        (ResNet50, "resnet50-0676ba61.pth"),
        (Inception, "inception-2015-12-05.pt"),
        (InceptionMaps, "pt_inception-2015-12-05-6726825d.pth"),
        (DINO, "dino_vitbase16_pretrain.pth"),
    ],
)
def test_absent_weights_are_named_with_their_place(extractor, file, tmp_path, monkeypatch):
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    with pytest.raises(FileNotFoundError, match=rf"{file}.*put it into {tmp_path}/checkpoints"):
        extractor()


def test_published_spaces_are_those_whose_weights_are_here(monkeypatch, tmp_path):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr(torch.hub, "_hub_dir", None)
    assert published_spaces() == []
    folder = tmp_path / "hub" / "checkpoints"
    folder.mkdir(parents=True)
    torch.save(fid_inception().state_dict(), folder / "pt_inception-2015-12-05-6726825d.pth")
    assert [type(space) for space in published_spaces()] == [InceptionMaps]
    torch.jit.script(torch.nn.Identity()).save(folder / "inception-2015-12-05.pt")
    with pytest.raises(ValueError, match="is a program, and not the published one; fetch https://nvlabs"):
        published_spaces()
