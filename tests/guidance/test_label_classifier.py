"""Classifier guidance towards a label, against its closed form."""

import pytest
import torch
from torch import nn

from monai_minority.guidance import LabelClassifierGuidance


def test_gradient_equals_closed_form():
    weight = torch.randn(3, 1, 2, 2)

    class Linear(nn.Module):
        num_classes = 3  # the number of its outputs, as some libraries mean it: labels are never passed

        def forward(self, x, timesteps):
            return torch.einsum("bchw,lchw->bl", x, weight)

    x, labels = torch.randn(4, 1, 2, 2), torch.tensor([0, 1, 2, 2])
    term = LabelClassifierGuidance(Linear(), scale=1.5)
    p = torch.einsum("bchw,lchw->bl", x, weight).softmax(-1)
    expected = 1.5 * (weight[labels] - torch.einsum("bl,lchw->bchw", p, weight))
    gradient = term.gradient(x, torch.zeros(4).long(), None, class_labels=labels)
    torch.testing.assert_close(gradient, expected, rtol=1e-5, atol=1e-6)
    with pytest.raises(ValueError, match="class_labels must be given"):
        term.gradient(x, torch.zeros(4).long(), None)
