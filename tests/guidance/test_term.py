"""The promises of every term: scaled, additive, image by image, and gradients for the image alone."""

import pytest
import torch
from torch import nn

from monai_minority.guidance import (
    GuidanceTerm,
    LabelClassifierGuidance,
    LowDensityGuidance,
    MinorityClassifierGuidance,
    MixedDensityGuidance,
    SumGuidance,
)
from monai_minority.guidance.term import input_gradient, largest_to_one


class Linear(nn.Module):
    """Logits that are linear in the image and grow with the timestep."""

    def __init__(self, classes: int = 3) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(classes, 2, 4, 4, generator=torch.Generator().manual_seed(1)))

    def forward(self, x, timesteps):
        return torch.einsum("bchw,lchw->bl", x, self.weight) * (1 + timesteps.float()[:, None] / 1000)


@pytest.fixture
def state():
    generator = torch.Generator().manual_seed(0)
    return {
        "x_t": torch.randn(5, 2, 4, 4, generator=generator) / 4,
        "timesteps": torch.tensor([0, 100, 500, 900, 999]),
        "denoise": None,
        "class_labels": torch.tensor([0, 1, 2, 1, 0]),
        "minority_classes": torch.tensor([2, 2, 1, 0, 0]),
    }


def terms(classifier):
    return [
        MinorityClassifierGuidance(classifier, 2.0),
        LabelClassifierGuidance(classifier, 0.5),
        MixedDensityGuidance(classifier, [0.1, 0.2, 0.4], 3.0),
        LowDensityGuidance(classifier, Linear(2), scale=0.3, realism=0.2),
    ]


def test_sum_is_the_sum_and_keeps_the_order(state):
    parts = terms(Linear())
    total = parts[0] + parts[1] + (parts[2] + parts[3])
    assert isinstance(total, SumGuidance)
    assert total.terms == parts
    expected = sum(part.gradient(**state) for part in parts)
    torch.testing.assert_close(total.gradient(**state), expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize("which", range(4))
def test_image_by_image_and_no_gradient_on_parameters(state, which):
    classifier = Linear()
    term = terms(classifier)[which]
    together = term.gradient(**state)
    assert together.abs().amax((1, 2, 3)).min() > 1e-3
    for i in range(5):
        alone = {k: v if v is None else v[i : i + 1] for k, v in state.items()}
        torch.testing.assert_close(term.gradient(**alone)[0], together[i], rtol=1e-5, atol=1e-6)
    assert classifier.weight.grad is None
    assert not together.requires_grad


@pytest.mark.parametrize("context", [torch.no_grad, torch.inference_mode])
@pytest.mark.parametrize("which", range(4))
def test_works_where_gradients_are_off(state, which, context):
    term = terms(Linear())[which]
    expected = term.gradient(**state)
    with context():
        inside = {k: v if v is None else v.clone() for k, v in state.items()}
        torch.testing.assert_close(term.gradient(**inside), expected, rtol=0, atol=0)


def test_timesteps_reach_the_classifier_as_they_reach_the_network(state):
    class Rescaled:
        @staticmethod
        def network_timesteps(timesteps):
            return timesteps * 0.25

    term = MinorityClassifierGuidance(Linear())
    quarter = term.gradient(**{**state, "timesteps": state["timesteps"] * 0.25})
    torch.testing.assert_close(term.attach(Rescaled()).gradient(**state), quarter, rtol=0, atol=0)
    (term + term).attach(None)
    assert term.scheduler is None


def test_scale_zero_warns_and_does_not_call_the_classifier(state):
    def classifier(x, timesteps):
        raise AssertionError("called")

    with pytest.warns(UserWarning, match="MinorityClassifierGuidance has scale 0"):
        term = MinorityClassifierGuidance(classifier, 0.0)
    assert torch.equal(term.gradient(**state), torch.zeros(5, 2, 4, 4))
    with pytest.raises(ValueError, match="scale must be a finite number, got nan"):
        MinorityClassifierGuidance(classifier, float("nan"))


def test_only_terms_add():
    with pytest.raises(TypeError):
        MinorityClassifierGuidance(Linear()) + 1
    with pytest.raises(TypeError, match="abstract"):
        GuidanceTerm()


def test_input_gradient_and_normalisation():
    x = torch.arange(-4.0, 4.0).view(2, 1, 2, 2)
    cube = input_gradient(lambda z: (z**3).flatten(1).sum(1), x)
    torch.testing.assert_close(cube, 3 * x**2)
    torch.testing.assert_close(largest_to_one(cube).amax((1, 2, 3)), torch.ones(2))
    assert torch.equal(largest_to_one(torch.zeros(1, 1, 2, 2)), torch.zeros(1, 1, 2, 2))
