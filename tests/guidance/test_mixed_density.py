"""Eq. 18 against its closed form."""

import pytest
import torch
from torch import nn

from monai_minority.guidance import MixedDensityGuidance

WEIGHT = torch.randn(3, 1, 2, 2, generator=torch.Generator().manual_seed(5), dtype=torch.float64)


class Linear(nn.Module):
    def forward(self, x, timesteps):
        return torch.einsum("bchw,lchw->bl", x, WEIGHT.to(x))


def closed_form(x, tau):
    """``sum_i r_i (W_i - W_mean)`` with ``r_i`` proportional to ``tau_i p(i | x)``, in float64."""
    x = x.double()
    p = torch.einsum("bchw,lchw->bl", x, WEIGHT).softmax(-1)
    r = p * tau / (p * tau).sum(-1, keepdim=True)
    return torch.einsum("bl,lchw->bchw", r - p, WEIGHT)


def test_gradient_equals_closed_form():
    x, t = torch.randn(6, 1, 2, 2), torch.zeros(6).long()
    tau = torch.tensor([0.0, 0.3, 0.9], dtype=torch.float64)  # the lowest threshold may be 0
    gradient = MixedDensityGuidance(Linear(), tau, scale=2.0).gradient(x, t, None)
    torch.testing.assert_close(gradient.double(), 2 * closed_form(x, tau), rtol=1e-4, atol=1e-6)


def test_thresholds_within_labels():
    x, t, labels = torch.randn(4, 1, 2, 2), torch.zeros(4).long(), torch.tensor([1, 0, 1, 1])
    tau = torch.tensor([[0.1, 0.2, 0.3], [1.0, 5.0, 20.0]], dtype=torch.float64)
    term = MixedDensityGuidance(Linear(), tau)
    gradient = term.gradient(x, t, None, class_labels=labels)
    torch.testing.assert_close(gradient.double(), closed_form(x, tau[labels]), rtol=1e-4, atol=1e-6)
    with pytest.raises(ValueError, match="class_labels must be given"):
        term.gradient(x, t, None)


def test_equal_thresholds_do_not_steer():
    gradient = MixedDensityGuidance(Linear(), [0.7, 0.7, 0.7]).gradient(
        torch.randn(2, 1, 2, 2), torch.zeros(2).long(), None
    )
    assert gradient.abs().max() < 1e-6


@pytest.mark.parametrize("tau", [[-0.1, 1.0, 1.0], [0.0, 0.0, 0.0], [float("nan"), 1.0, 1.0]])
def test_bad_thresholds(tau):
    with pytest.raises(ValueError, match="thresholds must be"):
        MixedDensityGuidance(Linear(), tau)


def test_wrong_number_of_thresholds():
    term = MixedDensityGuidance(Linear(), [0.1, 0.2])
    with pytest.raises(ValueError, match="3 classes, got 2"):
        term.gradient(torch.zeros(1, 1, 2, 2), torch.zeros(1).long(), None)
