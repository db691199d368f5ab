"""The promises of every term: scaled, additive, image by image, and gradients for the image alone."""

import pytest
import torch
from monai.data import MetaTensor
from torch import nn

from monai_minority.diffusion import RespacedDDPMScheduler, SeededNoise
from monai_minority.guidance import (
    GuidanceTerm,
    LabelClassifierGuidance,
    LowDensityGuidance,
    MinorityClassifierGuidance,
    MixedDensityGuidance,
    SamplingState,
    SumGuidance,
)
from monai_minority.guidance.term import largest_to_one


class Linear(nn.Module):
    """Logits that are linear in the image and grow with the timestep."""

    def __init__(self, classes: int = 3) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(classes, 2, 4, 4, generator=torch.Generator().manual_seed(1)))

    def forward(self, x, timesteps):
        return torch.einsum("bchw,lchw->bl", x, self.weight) * (1 + timesteps.float()[:, None] / 1000)


GENERATOR = torch.Generator().manual_seed(0)
KNOWN = {
    "x_t": torch.randn(5, 2, 4, 4, generator=GENERATOR) / 4,
    "timesteps": torch.tensor([0, 100, 500, 900, 999]),
    "class_labels": torch.tensor([0, 1, 2, 1, 0]),
    "target_class": torch.tensor([2, 2, 1, 0, 0]),
}


def state_of(known=KNOWN, **scheduler):
    return SamplingState(scheduler=RespacedDDPMScheduler(1000, **scheduler), **known)


def terms(classifier):
    return [
        MinorityClassifierGuidance(classifier, 2.0),
        LabelClassifierGuidance(classifier, 0.5),
        MixedDensityGuidance(classifier, [0.1, 0.2, 0.4], 3.0),
        LowDensityGuidance(classifier, Linear(2), scale=0.3, realism=0.2),
    ]


def test_sum_is_the_sum_and_keeps_the_order():
    parts = terms(Linear())
    total = parts[0] + parts[1] + (parts[2] + parts[3])
    assert isinstance(total, SumGuidance)
    assert total.terms == parts
    expected = sum(part.gradient(state_of()) for part in parts)
    torch.testing.assert_close(total.gradient(state_of()), expected, rtol=0, atol=1e-6)
    with pytest.raises(ValueError, match="at least one guidance term"):
        SumGuidance()


@pytest.mark.parametrize("which", range(4))
def test_image_by_image_and_no_gradient_on_parameters(which):
    classifier = Linear()
    term = terms(classifier)[which]
    together = term.gradient(state_of())
    assert together.abs().amax((1, 2, 3)).min() > 1e-3
    for i in range(5):
        alone = state_of({name: values[i : i + 1] for name, values in KNOWN.items()})
        torch.testing.assert_close(term.gradient(alone)[0], together[i], rtol=1e-5, atol=1e-6)
    assert classifier.weight.grad is None
    assert not together.requires_grad


@pytest.mark.parametrize("context", [torch.no_grad, torch.inference_mode])
@pytest.mark.parametrize("which", range(4))
def test_works_where_gradients_are_off(which, context):
    term = terms(Linear())[which]
    expected = term.gradient(state_of())
    with context():
        inside = state_of({name: values.clone() for name, values in KNOWN.items()})
        torch.testing.assert_close(term.gradient(inside), expected, rtol=0, atol=0)


def test_meta_tensors_are_taken_for_what_they_hold():
    for term in terms(Linear()):
        found = term.gradient(state_of({name: MetaTensor(values) for name, values in KNOWN.items()}))
        assert type(found) is torch.Tensor
        assert torch.equal(found, term.gradient(state_of()))


def test_timesteps_reach_the_classifier_as_they_reach_the_network():
    """A chain of 250 steps whose network was trained on ``t * 1000 / 250``."""
    known = {**KNOWN, "timesteps": torch.tensor([0, 25, 125, 225, 249])}
    rescaled = SamplingState(scheduler=RespacedDDPMScheduler(250, rescale_timesteps=True), **known)
    plain = state_of({**known, "timesteps": known["timesteps"] * 4})
    term = MinorityClassifierGuidance(Linear())
    torch.testing.assert_close(term.gradient(rescaled), term.gradient(plain), rtol=0, atol=0)


class TestSamplingState:
    """``x0 = tanh(w x)`` of a network that predicts it, whose gradient is ``w (1 - x0^2)``."""

    @pytest.fixture
    def network(self):
        class Network(nn.Module):
            calls = 0
            weight = nn.Parameter(torch.tensor(1.5))

            def forward(self, x, timesteps):
                self.calls += 1
                return torch.tanh(self.weight * x)

        return Network()

    @pytest.fixture
    def state(self, network):
        scheduler = RespacedDDPMScheduler(1000, prediction_type="sample", clip_sample=False)
        return SamplingState(
            KNOWN["x_t"], KNOWN["timesteps"], scheduler, network, draw=SeededNoise(range(5), (2, 4, 4))
        )

    @staticmethod
    def total(x):
        return x.flatten(1).sum(1)

    def test_the_network_is_evaluated_once_for_all_terms_and_the_step(self, state, network):
        expected = 1.5 * (1 - torch.tanh(1.5 * KNOWN["x_t"]) ** 2)
        with torch.no_grad():
            once = state.gradient_of(lambda: self.total(state.x0))
            again = state.gradient_of(lambda: self.total(state.x0**2))
            output = state.output
        torch.testing.assert_close(once, expected)
        torch.testing.assert_close(again, 2 * state.x0.detach() * expected)
        assert torch.equal(output, torch.tanh(1.5 * KNOWN["x_t"]))
        assert not output.requires_grad and network.weight.grad is None
        assert network.calls == 1

    def test_without_a_term_the_step_asks_for_no_gradients(self, state, network):
        asked = []
        network.register_forward_hook(lambda *_: asked.append(torch.is_grad_enabled()))
        assert not state.output.requires_grad
        assert torch.equal(state.output, state.output)
        assert asked == [False]

    def test_x_t_and_x0_may_stand_in_one_objective(self, state):
        found = state.gradient_of(lambda: self.total(state.x_t * state.x0))
        x0 = torch.tanh(1.5 * KNOWN["x_t"])
        torch.testing.assert_close(found, x0 + KNOWN["x_t"] * 1.5 * (1 - x0**2))

    def test_denoise_evaluates_anew_and_draw_goes_on(self, state, network):
        other = torch.zeros_like(KNOWN["x_t"])
        assert torch.equal(state.denoise(other, KNOWN["timesteps"]), other)
        assert network.calls == 1
        stream = SeededNoise(range(5), (2, 4, 4))
        for _ in range(2):
            assert torch.equal(state.draw(), stream())

    def test_what_is_missing_is_named(self):
        for ask in (lambda state: state.x0, lambda state: state.output, lambda state: state.denoise(*[None] * 2)):
            with pytest.raises(ValueError, match="network must be given to SamplingState"):
                ask(state_of())
        with pytest.raises(ValueError, match="draw must be given to SamplingState"):
            state_of().draw()

    def test_an_objective_is_one_number_an_image_of_the_state(self, state):
        with pytest.raises(ValueError, match=r"objective must give one number an image, \[5\], got \[\]"):
            state.gradient_of(lambda: state.x0.sum())
        with pytest.raises(ValueError, match="objective must be differentiable in state.x_t or state.x0"):
            state.gradient_of(lambda: self.total(state.x0.detach()))


def test_scale_zero_warns_and_does_not_call_the_classifier():
    def classifier(x, timesteps):
        raise AssertionError("called")

    with pytest.warns(UserWarning, match="MinorityClassifierGuidance has scale 0"):
        term = MinorityClassifierGuidance(classifier, 0.0)
    assert torch.equal(term.gradient(state_of()), torch.zeros(5, 2, 4, 4))
    with pytest.raises(ValueError, match="scale must be a finite number, got nan"):
        MinorityClassifierGuidance(classifier, float("nan"))


def test_only_terms_add():
    with pytest.raises(TypeError):
        MinorityClassifierGuidance(Linear()) + 1
    with pytest.raises(TypeError, match="abstract"):
        GuidanceTerm()


def test_normalisation():
    cube = 3 * torch.arange(-4.0, 4.0).view(2, 1, 2, 2) ** 2
    torch.testing.assert_close(largest_to_one(cube).amax((1, 2, 3)), torch.ones(2))
    assert torch.equal(largest_to_one(torch.zeros(1, 1, 2, 2)), torch.zeros(1, 1, 2, 2))
