import pytest
import torch
from torch import nn

from monai_minority.scoring import FeatureDistance


class Pooled(nn.Module):
    """The mean of each channel."""

    def forward(self, x):
        return x.mean((2, 3))


class Maps(Pooled):
    """The image and its left half, as maps."""

    def feature_maps(self, x):
        return [x, x[..., :1]]


def coloured(*colours):
    """One image of one row, a colour a pixel."""
    return torch.tensor(colours).T.view(1, 3, 1, -1)


def test_pooled_features_are_compared_by_their_direction():
    x, y = coloured((3.0, 0.0, 0.0)), coloured((0.0, 0.5, 0.0))
    distance = FeatureDistance(Pooled())
    torch.testing.assert_close(distance(x, y), torch.tensor([2.0]))
    torch.testing.assert_close(distance(x, -x), torch.tensor([4.0]))
    torch.testing.assert_close(distance(x, 7 * x), torch.tensor([0.0]))


def test_maps_are_averaged_over_positions_and_added():
    x = coloured((1.0, 0.0, 0.0), (0.0, 1.0, 0.0))
    y = coloured((0.0, 2.0, 0.0), (0.0, 5.0, 0.0))
    # The first pixels are at right angles (2), the second alike (0): 1 on average, 2 in the left half.
    torch.testing.assert_close(FeatureDistance(Maps())(x, y), torch.tensor([3.0]))
    mean = torch.tensor([1.0, 1.0, 0.0]) / 2**0.5
    expected = (mean - torch.tensor([0.0, 1.0, 0.0])).square().sum()
    torch.testing.assert_close(FeatureDistance(Maps(), pooled=True)(x, y), expected[None])


def test_grey_images_repeat_to_three_channels():
    grey = torch.rand(2, 1, 4, 4)
    other = torch.rand(2, 3, 4, 4)
    distance = FeatureDistance(Maps())
    torch.testing.assert_close(distance(grey, other), distance(grey.repeat(1, 3, 1, 1), other))
    with pytest.raises(ValueError, match=r"got \(1, 2, 4, 4\)"):
        distance.embed(torch.zeros(1, 2, 4, 4))


def test_the_gradient_is_right_and_finite_at_dead_features():
    distance = FeatureDistance(Maps()).double()
    y = torch.rand(1, 3, 2, 2, dtype=torch.float64)
    x = torch.rand(1, 3, 2, 2, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda image: distance(image, y), x)
    dead = torch.zeros(1, 3, 2, 2, dtype=torch.float64, requires_grad=True)
    distance(dead, y).sum().backward()
    assert dead.grad.isfinite().all()


def test_the_extractor_is_frozen_and_stays_in_evaluation_mode():
    extractor = nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4), nn.Dropout())
    FeatureDistance(extractor).train()
    assert not any(module.training for module in extractor.modules())
    assert not any(parameter.requires_grad for parameter in extractor.parameters())
