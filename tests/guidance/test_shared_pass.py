"""A classifier on the frozen encoder of the sampled network: its gradient comes from the sampler's own evaluation."""

import pytest
import torch
from monai.networks.nets import DiffusionModelUNet
from torch import nn

from monai_minority.diffusion import RespacedDDPMScheduler
from monai_minority.guidance import MinorityClassifierGuidance, SelfGuidance
from monai_minority.inferers import GuidedDiffusionInferer
from monai_minority.networks import ADMUNet, BackboneClassifier, SpaceToDepth


def monai_unet(pixels=1, labels=None):
    return DiffusionModelUNet(
        spatial_dims=2,
        in_channels=pixels,
        out_channels=pixels,
        channels=(8, 16),
        attention_levels=(False, True),
        num_res_blocks=1,
        num_head_channels=8,
        norm_num_groups=8,
        num_class_embeds=labels,
    )


def adm_unet(labels=None, **changes):
    return ADMUNet(
        image_size=16,
        in_channels=1,
        model_channels=32,
        out_channels=2,
        num_res_blocks=1,
        attention_resolutions=(2,),
        channel_mult=(1, 2),
        num_head_channels=32,
        num_classes=labels,
        **changes,
    )


BACKBONES = {
    "monai on blocks": lambda: SpaceToDepth(monai_unet(4)),
    "monai conditional": lambda: monai_unet(labels=3),
    "adm": adm_unet,
    "adm conditional, recomputed": lambda: adm_unet(3, use_checkpoint=True),
}


def scrambled(network):
    torch.manual_seed(0)
    for parameter in network.parameters():
        nn.init.normal_(parameter, std=0.1)
    return network.eval()


@pytest.fixture(params=BACKBONES)
def backbone(request):
    return scrambled(BACKBONES[request.param]())


def sampled(backbone, classifier, guidance=None, autocast=None):
    """Images, and how often the backbone and the encoder of the classifier were evaluated."""
    calls = []
    hooks = [backbone.register_forward_hook(lambda *_: calls.append("backbone"))]
    hooks.append(classifier.encoder.time_embed.register_forward_hook(lambda *_: calls.append("encoder")))
    inferer = GuidedDiffusionInferer(
        RespacedDDPMScheduler(1000), guidance or MinorityClassifierGuidance(classifier, 3.0), steps=4, autocast=autocast
    )
    labels = None if classifier.num_classes is None else [2, 0]
    images = inferer.sample(backbone, [5, 6], (1, 16, 16), labels, target_class=[1, 3], progress=False)
    for hook in hooks:
        hook.remove()
    return images, calls.count("backbone"), calls.count("encoder")


@pytest.mark.parametrize("autocast", [None, torch.bfloat16])
def test_shared_is_separate(backbone, autocast):
    classifier = BackboneClassifier(backbone, out_channels=4).eval()
    images, backbone_calls, encoder_calls = sampled(backbone, classifier, autocast=autocast)
    assert (backbone_calls, encoder_calls) == (4, 0)
    # a first weight that differs by one rounding, in the encoder alone, is another classifier
    weight = next(classifier.encoder.parameters())
    kept = weight.detach().clone()
    with torch.no_grad():
        weight.view(-1)[0] = weight.view(-1)[0].nextafter(weight.new_tensor(9.0))
    assert not classifier.shares(backbone)
    separate, *calls = sampled(backbone, classifier, autocast=autocast)
    assert calls == [4, 4]
    torch.testing.assert_close(images, separate, rtol=1e-3, atol=1e-3 if autocast is None else 0.1)
    with torch.no_grad():
        weight.copy_(kept)
    assert classifier.shares(backbone)
    classifier.shares = lambda network: False
    separate, *calls = sampled(backbone, classifier, autocast=autocast)
    assert calls == [4, 4]
    torch.testing.assert_close(images, separate, rtol=1e-6, atol=1e-6)


def test_beside_a_term_that_reads_x0(backbone):
    """Whichever is first, the images are those of two passes."""
    classifier = BackboneClassifier(backbone, out_channels=4).eval()
    minority, other = MinorityClassifierGuidance(classifier, 3.0), SelfGuidance(2.0, every=1)
    first, *_ = sampled(backbone, classifier, minority + other)
    second, *_ = sampled(backbone, classifier, other + minority)
    torch.testing.assert_close(first, second, rtol=1e-5, atol=1e-5)
    assert torch.is_grad_enabled() and not backbone.training


def test_others_share_nothing():
    backbone, other = scrambled(monai_unet()), scrambled(monai_unet(labels=3))
    assert not BackboneClassifier(backbone, 4).shares(other)
    assert not BackboneClassifier(other, 4, conditional=False).shares(other)
    assert not BackboneClassifier(backbone, 4).shares(SpaceToDepth(scrambled(monai_unet(4))))
    assert not BackboneClassifier(backbone, 4).shares(None)
    assert BackboneClassifier(backbone, 4).shares(nn.parallel.DataParallel(backbone))
