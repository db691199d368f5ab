"""Networks around networks: blocks of pixels as channels, against the permutation written out; features for logits."""

import pytest
import torch
from monai.networks.nets import DiffusionModelUNet
from torch import nn

from monai_minority.networks import BackboneClassifier, ClassifierFeatures, SpaceToDepth
from monai_minority.networks.wrappers import takes_class_labels


class Recorder(nn.Module):
    num_classes = 4

    def forward(self, x, timesteps, **conditions):
        self.seen, self.conditions = x, conditions
        return x * 10


def test_pixels_go_to_channels_and_back():
    network = Recorder()
    x = torch.randn(2, 3, 4, 6)
    output = SpaceToDepth(network, 2)(x, torch.tensor([1, 2]))
    expected = torch.stack(
        [x[:, c, i::2, j::2] for c in range(3) for i in range(2) for j in range(2)], dim=1
    )  # channel c, then the row and the column inside the block
    assert torch.equal(network.seen, expected)
    assert torch.equal(output, x * 10)
    assert network.conditions == {}


def test_means_and_variances_stay_apart():
    """Of 2 C output channels the first C must be the mean, as without blocks."""

    class TwoHeads(nn.Module):
        def forward(self, x, timesteps):
            return torch.cat([x, torch.zeros_like(x)], dim=1)

    x = torch.randn(2, 1, 4, 4)
    output = SpaceToDepth(TwoHeads())(x, torch.tensor([1, 2]))
    assert output.shape == (2, 2, 4, 4)
    assert torch.equal(output[:, :1], x)
    assert not output[:, 1:].any()


def test_an_encoder_keeps_its_logits_and_conditions_pass_through():
    class Encoder(Recorder):
        def forward(self, x, timesteps, **conditions):
            super().forward(x, timesteps, **conditions)
            return x.mean((2, 3))

    network = Encoder()
    wrapped = SpaceToDepth(network, 4, restore=False)
    x, labels = torch.randn(2, 1, 8, 8), torch.tensor([1, 3])
    assert wrapped(x, torch.tensor([1, 2]), class_labels=labels).shape == (2, 16)
    assert torch.equal(network.conditions["class_labels"], labels)
    assert wrapped.num_classes == 4


def test_bad_factor():
    with pytest.raises(ValueError, match="factor must be at least 1, got 0"):
        SpaceToDepth(Recorder(), 0)


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


def test_who_takes_class_labels():
    bare, labelled = nn.Linear(1, 1), Recorder()
    assert takes_class_labels(labelled, unknown=False) and takes_class_labels(SpaceToDepth(labelled), unknown=False)
    labelled.num_classes = None
    assert not takes_class_labels(labelled, unknown=True)
    assert takes_class_labels(bare, unknown=True) and not takes_class_labels(bare, unknown=False)
    assert not takes_class_labels(nn.ModuleDict({"module": labelled}), unknown=True)  # as distributed work wraps it
