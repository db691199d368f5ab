"""Eq. 8, 17 and 18 and guidance to a label against the gradient of a linear classifier, which has a closed form."""

import pytest
import torch
from torch import nn

from monai_minority.diffusion import RespacedDDPMScheduler
from monai_minority.guidance import (
    LabelClassifierGuidance,
    MinorityClassifierGuidance,
    MixedDensityGuidance,
    SamplingState,
)
from monai_minority.networks import ADMEncoder

WEIGHT = torch.randn(4, 3, 2, 2, generator=torch.Generator().manual_seed(3))
BIAS = torch.randn(6, 4, generator=torch.Generator().manual_seed(4))
EXACT = torch.randn(3, 1, 2, 2, generator=torch.Generator().manual_seed(5), dtype=torch.float64)


class Conditional(nn.Module):
    num_classes = 6

    def forward(self, x, timesteps, class_labels=None):
        return torch.einsum("bchw,lchw->bl", x, WEIGHT) + BIAS[class_labels]


class Linear(nn.Module):
    num_classes = 3  # the number of its outputs, as some libraries mean it

    def forward(self, x, timesteps):
        return torch.einsum("bchw,lchw->bl", x, EXACT.to(x))


def state(x, timesteps=None, **known):
    timesteps = torch.zeros(len(x)).long() if timesteps is None else timesteps
    return SamplingState(x, timesteps, RespacedDDPMScheduler(1000), **known)


def closed_form(x, labels, wanted):
    """``grad log p(l | x, c) = W_l - sum_i p(i | x, c) W_i``."""
    p = (torch.einsum("bchw,lchw->bl", x, WEIGHT) + BIAS[labels]).softmax(-1)
    return WEIGHT[wanted] - torch.einsum("bl,lchw->bchw", p, WEIGHT)


def mixture(x, tau):
    """``sum_i r_i (W_i - W_mean)`` with ``r_i`` proportional to ``tau_i p(i | x)``, in float64."""
    x = x.double()
    p = torch.einsum("bchw,lchw->bl", x, EXACT).softmax(-1)
    r = p * tau / (p * tau).sum(-1, keepdim=True)
    return torch.einsum("bl,lchw->bchw", r - p, EXACT)


class TestMinorityClassifierGuidance:
    def test_gradient_equals_closed_form(self):
        x = torch.randn(5, 3, 2, 2)
        labels, wanted = torch.tensor([0, 5, 2, 2, 1]), torch.tensor([3, 3, 0, 1, 2])
        term = MinorityClassifierGuidance(Conditional(), scale=2.5)
        gradient = term.gradient(state(x, class_labels=labels, target_class=wanted))
        torch.testing.assert_close(gradient, 2.5 * closed_form(x, labels, wanted), rtol=1e-5, atol=1e-6)

    def test_unconditional_classifier_is_not_given_the_labels(self):
        class Plain(nn.Module):
            num_classes = None

            def forward(self, x, timesteps):
                return torch.einsum("bchw,lchw->bl", x, WEIGHT) + BIAS[0]

        x, wanted = torch.randn(2, 3, 2, 2), torch.tensor([1, 2])
        term = MinorityClassifierGuidance(Plain())
        gradient = term.gradient(state(x, class_labels=torch.tensor([4, 4]), target_class=wanted))
        torch.testing.assert_close(gradient, closed_form(x, torch.zeros(2).long(), wanted), rtol=1e-5, atol=1e-6)

    def test_missing_and_impossible_classes_are_named(self):
        x, labels = torch.zeros(2, 3, 2, 2), torch.tensor([0, 0])
        term = MinorityClassifierGuidance(Conditional())
        with pytest.raises(ValueError, match="target_class must be given"):
            term.gradient(state(x, class_labels=labels))
        with pytest.raises(ValueError, match=r"target_class must be in \[0, 4\), got 1 to 4"):
            term.gradient(state(x, class_labels=labels, target_class=torch.tensor([1, 4])))
        with pytest.raises(ValueError, match="class_labels must be given"):
            term.gradient(state(x, target_class=labels))

    def test_gradient_equals_the_recorded_one(self, fixtures_dir):
        """Recorded: the gradient of log p(y given x) through the reference's encoder."""
        for name, entry in torch.load(fixtures_dir / "networks.pt", weights_only=True)["encoder"].items():
            if "grad" not in entry or name == "cascade":
                continue
            encoder = ADMEncoder(**entry["config"])
            encoder.load_state_dict(entry["state_dict"])
            term = MinorityClassifierGuidance(encoder)
            gradient = term.gradient(state(entry["x"], entry["t"], target_class=entry["y"]))
            torch.testing.assert_close(gradient, entry["grad"], rtol=1e-4, atol=1e-6)
            assert all(parameter.grad is None for parameter in encoder.parameters())


class TestLabelClassifierGuidance:
    def test_gradient_equals_closed_form_and_the_labels_are_never_passed(self):
        x, labels = torch.randn(4, 1, 2, 2), torch.tensor([0, 1, 2, 2])
        weight, term = EXACT.float(), LabelClassifierGuidance(Linear(), scale=1.5)
        p = torch.einsum("bchw,lchw->bl", x, weight).softmax(-1)
        expected = 1.5 * (weight[labels] - torch.einsum("bl,lchw->bchw", p, weight))
        gradient = term.gradient(state(x, class_labels=labels))
        torch.testing.assert_close(gradient, expected, rtol=1e-5, atol=1e-6)
        with pytest.raises(ValueError, match="class_labels must be given"):
            term.gradient(state(x))


class TestMixedDensityGuidance:
    @staticmethod
    def term(tau, scale=1.0):
        return MixedDensityGuidance(Linear(), tau, scale, class_conditional=False)

    def test_gradient_equals_closed_form(self):
        x = torch.randn(6, 1, 2, 2)
        tau = torch.tensor([0.0, 0.3, 0.9], dtype=torch.float64)  # the lowest threshold may be 0
        gradient = self.term(tau, scale=2.0).gradient(state(x))
        torch.testing.assert_close(gradient.double(), 2 * mixture(x, tau), rtol=1e-4, atol=1e-6)

    def test_thresholds_within_labels(self):
        x, labels = torch.randn(4, 1, 2, 2), torch.tensor([1, 0, 1, 1])
        tau = torch.tensor([[0.1, 0.2, 0.3], [1.0, 5.0, 20.0]], dtype=torch.float64)
        gradient = self.term(tau).gradient(state(x, class_labels=labels))
        torch.testing.assert_close(gradient.double(), mixture(x, tau[labels]), rtol=1e-4, atol=1e-6)
        with pytest.raises(ValueError, match="class_labels must be given"):
            self.term(tau).gradient(state(x))

    def test_equal_thresholds_do_not_steer(self):
        assert self.term([0.7, 0.7, 0.7]).gradient(state(torch.randn(2, 1, 2, 2))).abs().max() < 1e-6

    @pytest.mark.parametrize("tau", [[-0.1, 1.0, 1.0], [0.0, 0.0, 0.0], [float("nan"), 1.0, 1.0]])
    def test_bad_thresholds(self, tau):
        with pytest.raises(ValueError, match="thresholds must be"):
            self.term(tau)

    def test_wrong_number_of_thresholds(self):
        with pytest.raises(ValueError, match="3 classes, got 2"):
            self.term([0.1, 0.2]).gradient(state(torch.zeros(1, 1, 2, 2)))
