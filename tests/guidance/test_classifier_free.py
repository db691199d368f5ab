"""Classifier-free guidance against two Gaussians, whose scores are known, and the evaluations that it costs."""

import pytest
import torch
from torch import nn

from monai_minority.diffusion import RespacedDDPMScheduler
from monai_minority.guidance import ClassifierFreeGuidance, SamplingState
from monai_minority.inferers import GuidedDiffusionInferer

COMMON, RARE, STD = -0.2, 0.3, 0.5


class Exact(nn.Module):
    """The noise in Gaussian data around COMMON or, under any class, around RARE; counts what it evaluates."""

    takes_target_class = True

    def __init__(self, scheduler):
        super().__init__()
        self.scheduler = scheduler
        self.calls = []

    def forward(self, x, timesteps, target_class=None):
        self.calls.append((int(timesteps[0]), target_class is not None))
        a = self.scheduler.alphas_cumprod[timesteps.long()].view(-1, 1, 1, 1).to(x)
        mean = COMMON if target_class is None else RARE
        return (1 - a).sqrt() * (x - a.sqrt() * mean) / (a * STD**2 + 1 - a)


@pytest.fixture
def scheduler():
    return RespacedDDPMScheduler(1000, clip_sample=False)


def test_the_gradient_is_the_scaled_difference_of_the_scores(scheduler):
    network, timesteps = Exact(scheduler), torch.tensor([3, 500, 999])
    x_t = torch.randn(3, 1, 2, 2)
    state = SamplingState(x_t, timesteps, scheduler, lambda x, t: network(x, t, target_class=1))
    a = scheduler.alphas_cumprod[timesteps].double().view(-1, 1, 1, 1)
    expected = 1.5 * a.sqrt() * (RARE - COMMON) / (a * STD**2 + 1 - a)
    gradient = ClassifierFreeGuidance(network, scale=1.5).gradient(state)
    torch.testing.assert_close(gradient.double(), expected.expand(3, 1, 2, 2), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("scale", [0.5, 2.0])
def test_samples_lie_where_the_mixture_of_the_scores_puts_them(scheduler, scale):
    """Scores of equal variance mix to that of a Gaussian around COMMON + (1 + w) (RARE - COMMON)."""
    network = Exact(scheduler)
    inferer = GuidedDiffusionInferer(scheduler, ClassifierFreeGuidance(network, scale), mode="score", steps=100)
    images = inferer.sample(network, range(8), (1, 16, 16), target_class=1, progress=False)
    error = STD / images.numel() ** 0.5
    assert abs(images.mean() - (COMMON + (1 + scale) * (RARE - COMMON))) < 4 * error
    assert abs(images.std() - STD) < 0.05


def test_scale_zero_is_the_condition_itself_and_costs_one_evaluation(scheduler):
    network = Exact(scheduler)
    inferer = GuidedDiffusionInferer(scheduler, None, steps=100)
    images = inferer.sample(network, range(8), (1, 16, 16), target_class=1, progress=False)
    assert abs(images.mean() - RARE) < 4 * STD / images.numel() ** 0.5
    assert len(network.calls) == 100 and all(conditional for _, conditional in network.calls)


def test_two_evaluations_inside_the_interval_and_one_outside_where_the_condition_stays(scheduler):
    network = Exact(scheduler)
    guidance = ClassifierFreeGuidance(network)
    inferer = GuidedDiffusionInferer(scheduler, guidance, mode="score", steps=10, interval=(300, 700))
    inferer.sample(network, [0], (1, 2, 2), target_class=1, progress=False)
    steps = scheduler.timesteps.tolist()
    inside = [t for t in steps if 300 <= t <= 700]
    assert 0 < len(inside) < 10
    assert [t for t, conditional in network.calls if conditional] == steps
    assert [t for t, conditional in network.calls if not conditional] == inside


def test_other_networks_are_not_given_a_class(scheduler):
    inferer = GuidedDiffusionInferer(scheduler, steps=2)
    assert inferer.sample(lambda x, timesteps: x, [0], (1, 2, 2), target_class=1, progress=False).isfinite().all()
