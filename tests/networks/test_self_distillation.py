"""Head and network: cosines, crops of two sizes at once, and what timm's transformers expect."""

import pytest
import torch
from torch import nn

from monai_minority.networks import ProjectionHead, SelfDistillationNetwork, vision_transformer
from monai_minority.networks.imagenet import IMAGENET_MEAN, IMAGENET_STD
from monai_minority.transforms import Views


def test_the_head_gives_cosines_with_its_prototypes():
    head = ProjectionHead(6, prototypes=5, hidden=8, bottleneck=4)
    features = torch.randn(3, 6)
    projected = head.layers(features)
    expected = nn.functional.cosine_similarity(projected[:, None], head.prototypes[None], dim=-1)
    torch.testing.assert_close(head(features), expected)
    head.prototypes.data *= 7
    torch.testing.assert_close(head(features), expected, msg="the prototypes' length does not count")


class _MeanColour(nn.Module):
    """Features one can compute by hand; counts its calls."""

    def __init__(self):
        super().__init__()
        self.calls = []

    def forward(self, x):
        self.calls.append(tuple(x.shape))
        return x.mean((-2, -1))


def test_crops_of_a_size_pass_together_and_keep_their_order():
    backbone = _MeanColour()
    network = SelfDistillationNetwork(backbone, nn.Identity())
    large = torch.linspace(-1, 1, 4).view(2, 2, 1, 1, 1).expand(2, 2, 1, 8, 8)
    small = torch.linspace(-0.5, 0.5, 6).view(3, 2, 1, 1, 1).expand(3, 2, 1, 4, 4)
    found = network(Views(large, small))
    assert backbone.calls == [(4, 3, 8, 8), (6, 3, 4, 4)]
    grey = torch.cat([large[..., 0, 0], small[..., 0, 0]])
    expected = ((grey + 1) / 2 - torch.tensor(IMAGENET_MEAN)) / torch.tensor(IMAGENET_STD)
    torch.testing.assert_close(found, expected)
    torch.testing.assert_close(network(large), expected[:2])
    torch.testing.assert_close(network(Views(large, small[:0])), expected[:2])


def test_a_transformer_takes_two_sizes():
    network = vision_transformer("vit_tiny_patch16_224", 32, patch_size=8, embed_dim=24, depth=1, num_heads=3).eval()
    assert network(torch.zeros(2, 3, 32, 32)).shape == (2, 24)
    assert network(torch.zeros(2, 3, 16, 16)).shape == (2, 24)
    assert network.pos_embed.shape == (1, 17, 24)


@pytest.mark.parametrize(
    "architecture, size, message",
    [
        ("resnet50", 224, "must be one of timm's vision transformers"),
        ("vit_tiny_patch16_224", 40, "multiple of the 16"),
    ],
)
def test_bad_arguments(architecture, size, message):
    with pytest.raises(ValueError, match=message):
        vision_transformer(architecture, size)
