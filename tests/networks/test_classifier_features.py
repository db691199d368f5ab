"""A classifier's features: what its head reads, differentiable, and refused where there are none."""

import pytest
import torch
from monai.networks.nets import DiffusionModelUNet

from monai_minority.networks import BackboneClassifier, ClassifierFeatures


def classifier():
    backbone = DiffusionModelUNet(
        spatial_dims=2, in_channels=1, out_channels=1, channels=[8, 16], attention_levels=[False, False],
        num_res_blocks=1, norm_num_groups=4,
    )  # fmt: skip
    return BackboneClassifier(backbone, 3).eval()


def test_head_reads_the_features():
    network = classifier()
    features = ClassifierFeatures(network)
    x, t = torch.randn(2, 1, 8, 8, requires_grad=True), torch.tensor([3, 700])
    found = features(x, t)
    torch.testing.assert_close(found.mean(1), torch.zeros(2), rtol=0, atol=1e-5)  # normalised
    torch.testing.assert_close(network.head[1:](found), network(x, t))
    assert torch.autograd.grad(found[:, 0].sum(), x)[0].abs().max() > 0


def test_without_features():
    with pytest.raises(ValueError, match="classifier must have a method features, Linear has none"):
        ClassifierFeatures(torch.nn.Linear(1, 1))
