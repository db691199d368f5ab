"""Eq. 8 and 17 against the gradient of a linear classifier, which has a closed form."""

import pytest
import torch
from torch import nn

from monai_minority.guidance import MinorityClassifierGuidance
from monai_minority.networks import ADMEncoder

WEIGHT = torch.randn(4, 3, 2, 2, generator=torch.Generator().manual_seed(3))
BIAS = torch.randn(6, 4, generator=torch.Generator().manual_seed(4))


class Conditional(nn.Module):
    num_classes = 6

    def forward(self, x, timesteps, class_labels=None):
        return torch.einsum("bchw,lchw->bl", x, WEIGHT) + BIAS[class_labels]


def closed_form(x, labels, wanted):
    """``grad log p(l | x, c) = W_l - sum_i p(i | x, c) W_i``."""
    p = (torch.einsum("bchw,lchw->bl", x, WEIGHT) + BIAS[labels]).softmax(-1)
    return WEIGHT[wanted] - torch.einsum("bl,lchw->bchw", p, WEIGHT)


def test_gradient_equals_closed_form():
    x = torch.randn(5, 3, 2, 2)
    labels, wanted = torch.tensor([0, 5, 2, 2, 1]), torch.tensor([3, 3, 0, 1, 2])
    term = MinorityClassifierGuidance(Conditional(), scale=2.5)
    gradient = term.gradient(x, torch.zeros(5).long(), None, class_labels=labels, minority_classes=wanted)
    torch.testing.assert_close(gradient, 2.5 * closed_form(x, labels, wanted), rtol=1e-5, atol=1e-6)


def test_unconditional_classifier_is_not_given_the_labels():
    class Plain(nn.Module):
        num_classes = None

        def forward(self, x, timesteps):
            return torch.einsum("bchw,lchw->bl", x, WEIGHT) + BIAS[0]

    x, wanted = torch.randn(2, 3, 2, 2), torch.tensor([1, 2])
    term = MinorityClassifierGuidance(Plain())
    gradient = term.gradient(x, torch.zeros(2).long(), None, class_labels=torch.tensor([4, 4]), minority_classes=wanted)
    torch.testing.assert_close(gradient, closed_form(x, torch.zeros(2).long(), wanted), rtol=1e-5, atol=1e-6)


def test_missing_and_impossible_classes_are_named():
    x, t, labels = torch.zeros(2, 3, 2, 2), torch.zeros(2).long(), torch.tensor([0, 0])
    term = MinorityClassifierGuidance(Conditional())
    with pytest.raises(ValueError, match="minority_classes must be given"):
        term.gradient(x, t, None, class_labels=labels)
    with pytest.raises(ValueError, match=r"minority_classes must be in \[0, 4\), got 1 to 4"):
        term.gradient(x, t, None, class_labels=labels, minority_classes=torch.tensor([1, 4]))
    with pytest.raises(ValueError, match="class_labels must be given"):
        term.gradient(x, t, None, minority_classes=labels)


def test_gradient_equals_the_recorded_one(fixtures_dir):
    """Recorded: the gradient of log p(y given x) through the reference's encoder."""
    for name, entry in torch.load(fixtures_dir / "networks.pt", weights_only=True)["encoder"].items():
        if "grad" not in entry or name == "cascade":
            continue
        encoder = ADMEncoder(**entry["config"])
        encoder.load_state_dict(entry["state_dict"])
        term = MinorityClassifierGuidance(encoder)
        gradient = term.gradient(entry["x"], entry["t"], None, minority_classes=entry["y"])
        torch.testing.assert_close(gradient, entry["grad"], rtol=1e-4, atol=1e-6)
        assert all(parameter.grad is None for parameter in encoder.parameters())
