"""Samplers against closed forms: the exact denoiser of a Gaussian and the its exact classifier.

Data are N(0.2, 0.5^2); every step of a sampler is then affine, so the mean and std of the samples follow
exactly from three probes a step, without a random draw. ``x_T`` has the marginal of the noisiest kept step.
Measured std of the samples (mean 0.2000 where not given; truth 0.2 and 0.5):

=====================================  ==============  ==============  ==============  ==============
linear schedule, steps of 1000                   1000             250              50              10
=====================================  ==============  ==============  ==============  ==============
ours, DDPM with learned variances              0.4999          0.4999          0.4999          0.4999
ours, DDPM ``fixed_large``                     0.5008          0.5033          0.5176          0.5988
ours, DDPM ``fixed_small``                     0.4961          0.4858          0.4432          0.3228
ours, DDIM eta 0                               0.4985          0.4943          0.4719          0.3616
MONAI's ``DDPMScheduler``, std                 0.4961          0.7481          0.9362          0.9880
MONAI's ``DDPMScheduler``, mean                0.2000          0.1057          0.0285          0.0065
MONAI's ``DDIMScheduler``, std                 0.4985          0.4955          0.4793          0.4189
MONAI's ``DDIMScheduler``, mean                0.2000          0.1996          0.1978          0.1900
=====================================  ==============  ==============  ==============  ==============

Learned variances lack only the noise of the last step, which no sampler adds; the other deviations are of the
methods, not of the code. Guided by a classifier that saw y = 1 with std 0.5 (truth: mean 0.6, std 0.3536),
mean and std:

=====================================  ==============  ==============  ==============  ==============
linear schedule, steps of 1000                   1000             250              50              10
=====================================  ==============  ==============  ==============  ==============
DDPM ``fixed_small``, mode ``score``    0.6000 0.3498   0.6000 0.3402   0.6000 0.3030   0.6000 0.2062
DDPM ``fixed_small``, mode ``mean``     0.5932 0.3539   0.5748 0.3547   0.4946 0.3551   0.2916 0.3099
DDPM learned, mode ``score``            0.6000 0.3538   0.6000 0.3551   0.6000 0.3623   0.6000 0.4013
DDPM learned, mode ``mean``             0.5986 0.3543   0.5944 0.3570   0.5718 0.3711   0.4592 0.4321
DDIM eta 0, mode ``score``              0.5991 0.3521   0.5991 0.3481   0.5992 0.3274   0.5994 0.2283
=====================================  ==============  ==============  ==============  ==============

``mean`` weakens as steps get few: it multiplies the gradient with the posterior variance, which is smaller
than the ``beta / sqrt(1 - beta)`` that the score enters the mean with, the more so the longer the step. The
cosine schedule shows the same, about half as strongly.
"""

from collections.abc import Callable
from unittest import mock

import pytest
import torch
from monai.networks.schedulers import DDIMScheduler, DDPMScheduler

from monai_minority.diffusion import DiffusionChain, RespacedDDIMScheduler, RespacedDDPMScheduler

MEAN, STD = 0.2, 0.5
OBSERVED, OBSERVED_STD = 1.0, 0.5
GUIDED_MEAN = (MEAN / STD**2 + OBSERVED / OBSERVED_STD**2) / (STD**-2 + OBSERVED_STD**-2)
GUIDED_STD = (STD**-2 + OBSERVED_STD**-2) ** -0.5
STEPS = (1000, 250, 50, 10)


def posterior(x_t: torch.Tensor, alpha: float) -> tuple[torch.Tensor, float]:
    """Mean and variance of ``x_0`` given ``x_t`` for Gaussian data."""
    gain = alpha**0.5 * STD**2 / (alpha * STD**2 + 1 - alpha)
    return MEAN + gain * (x_t - alpha**0.5 * MEAN), STD**2 * (1 - alpha) / (alpha * STD**2 + 1 - alpha)


def epsilon(x_t: torch.Tensor, alpha: float) -> torch.Tensor:
    """Noise prediction of the exact denoiser."""
    return (x_t - alpha**0.5 * posterior(x_t, alpha)[0]) / (1 - alpha) ** 0.5


def classifier_gradient(x_t: torch.Tensor, alpha: float) -> torch.Tensor:
    """Gradient of ``log p(y | x_t)`` where ``y`` is ``x_0`` with noise of std ``OBSERVED_STD``."""
    mean, variance = posterior(x_t, alpha)
    gain = alpha**0.5 * STD**2 / (alpha * STD**2 + 1 - alpha)
    return gain * (OBSERVED - mean) / (OBSERVED_STD**2 + variance)


def moments(step: Callable, scheduler: object) -> tuple[float, float]:
    """Exact mean and std of the samples: three probes tell a step, which is affine."""
    probes = torch.tensor([0.0, 1.0, 0.0], dtype=torch.float64).view(3, 1, 1, 1)
    noise = torch.tensor([0.0, 0.0, 1.0], dtype=torch.float64).view(3, 1, 1, 1)
    alpha = float(scheduler.alphas_cumprod[scheduler.timesteps[0]])
    mean, variance = alpha**0.5 * MEAN, alpha * STD**2 + 1 - alpha
    for t in scheduler.timesteps:
        offset, at_one, at_noise = step(probes, int(t), noise).flatten().tolist()
        mean = offset + (at_one - offset) * mean
        variance = (at_one - offset) ** 2 * variance + (at_noise - offset) ** 2
    return mean, variance**0.5


def ours(scheduler, steps, guided=False, log_variance=None, **options):
    scheduler.set_timesteps(steps)

    def step(x, t, noise):
        alpha = float(scheduler.alphas_cumprod[t])
        output = epsilon(x, alpha)
        if log_variance is not None:
            output = torch.cat([output, torch.full_like(x, log_variance(scheduler.chain, t))], dim=1)
        guidance = classifier_gradient(x, alpha) if guided else None
        return scheduler.step(output, t, x, guidance=guidance, noise=noise, **options)[0]

    return moments(step, scheduler)


def monai(scheduler, steps):
    scheduler.set_timesteps(steps)

    def step(x, t, noise):
        with mock.patch("torch.randn", return_value=noise):
            return scheduler.step(epsilon(x, float(scheduler.alphas_cumprod[t])), t, x)[0]

    return moments(step, scheduler)


def exact_log_variance(chain: DiffusionChain, t: int) -> float:
    """Variance of ``x_prev`` given ``x_t``, which is Gaussian for Gaussian data."""
    index = chain.index_of(t)
    within = posterior(torch.zeros(()), float(chain.alphas_cumprod[index]))[1]
    exact = chain.posterior_variance[index] + chain.x0_coefficient[index] ** 2 * within
    return float(exact.log())


def exact_fraction(chain: DiffusionChain, t: int) -> float:
    """The same as the network of a learned range says it."""
    index = chain.index_of(t)
    low, high = chain.posterior_log_variance[index], chain.betas[index].log()
    return float(2 * (exact_log_variance(chain, t) - low) / (high - low) - 1) if index else 0.0


FIGURES = {
    # steps: std of fixed_small, fixed_large, DDIM
    1000: (0.4961, 0.5008, 0.4985),
    250: (0.4858, 0.5033, 0.4943),
    50: (0.4432, 0.5176, 0.4719),
    10: (0.3228, 0.5988, 0.3616),
}
GUIDED_FIGURES = {
    # steps: mean of mode "mean" with fixed_small, with learned variances
    250: (0.5748, 0.5944),
    50: (0.4946, 0.5718),
    10: (0.2916, 0.4592),
}


@pytest.mark.parametrize(
    ("schedule", "steps"),
    [*(("improved_linear", steps) for steps in STEPS), ("improved_cosine", 250), ("improved_cosine", 10)],
)
def test_ancestral_sampling_with_the_exact_variance_is_exact_at_any_number_of_steps(schedule, steps):
    scheduler = RespacedDDPMScheduler(1000, schedule, variance_type="learned", clip_sample=False)
    mean, std = ours(scheduler, steps, log_variance=exact_log_variance)
    last_noise = posterior(torch.zeros(()), float(scheduler.alphas_cumprod[0]))[1]
    assert mean == pytest.approx(MEAN, abs=1e-9)
    assert std**2 + last_noise == pytest.approx(STD**2, abs=1e-9)


@pytest.mark.parametrize("steps", [250, 10, "10,15,20"])
def test_a_learned_range_reaches_the_same_exact_variance_without_flags(steps):
    scheduler = RespacedDDPMScheduler(1000, clip_sample=False)
    mean, std = ours(scheduler, steps, log_variance=exact_fraction)
    last_noise = posterior(torch.zeros(()), float(scheduler.alphas_cumprod[0]))[1]
    assert mean == pytest.approx(MEAN, abs=1e-9)
    assert std**2 + last_noise == pytest.approx(STD**2, abs=1e-9)


@pytest.mark.parametrize("steps", STEPS)
def test_fixed_variances_and_ddim_have_their_known_deviation(steps):
    small, large, ddim = FIGURES[steps]
    options = {"clip_sample": False}
    measured = [
        ours(RespacedDDPMScheduler(1000, **options), steps),
        ours(RespacedDDPMScheduler(1000, variance_type="fixed_large", **options), steps),
        ours(RespacedDDIMScheduler(1000, **options), steps),
    ]
    assert [mean for mean, _ in measured] == pytest.approx([MEAN] * 3, abs=1e-4)
    assert [std for _, std in measured] == pytest.approx([small, large, ddim], abs=1e-4)


def test_ddim_at_eta_1_is_the_ancestral_sampler_with_the_posterior_variance():
    ddpm = ours(RespacedDDPMScheduler(1000, clip_sample=False), 50)
    ddim = ours(RespacedDDIMScheduler(1000, clip_sample=False), 50, eta=1.0)
    assert ddim == pytest.approx(ddpm, abs=1e-9)


@pytest.mark.parametrize(
    ("schedule", "steps"),
    [*(("improved_linear", steps) for steps in STEPS), ("improved_cosine", 250), ("improved_cosine", 10)],
)
def test_guidance_of_the_score_has_the_right_mean_at_any_number_of_steps(schedule, steps):
    scheduler = RespacedDDPMScheduler(1000, schedule, clip_sample=False)
    mean, std = ours(scheduler, steps, guided=True, mode="score")
    assert mean == pytest.approx(GUIDED_MEAN, abs=1e-3)
    if steps == 1000:
        assert std == pytest.approx(GUIDED_STD, abs=5e-3)


@pytest.mark.parametrize("steps", [250, 50, 10])
def test_ddim_guidance_of_the_score_has_the_right_mean_at_any_number_of_steps(steps):
    mean, _ = ours(RespacedDDIMScheduler(1000, clip_sample=False), steps, guided=True, mode="score")
    assert mean == pytest.approx(GUIDED_MEAN, abs=2e-3)


@pytest.mark.parametrize("steps", [250, 50, 10])
def test_guidance_of_the_mean_weakens_as_documented(steps):
    fixed, learned = GUIDED_FIGURES[steps]
    small = RespacedDDPMScheduler(1000, clip_sample=False)
    free = RespacedDDPMScheduler(1000, variance_type="learned", clip_sample=False)
    assert ours(small, steps, guided=True, mode="mean")[0] == pytest.approx(fixed, abs=1e-4)
    assert ours(free, steps, True, exact_log_variance, mode="mean")[0] == pytest.approx(learned, abs=1e-4)


def test_ddim_guidance_of_the_mean_uses_the_variance_of_eta():
    ddpm = ours(RespacedDDPMScheduler(1000, clip_sample=False), 50, guided=True, mode="mean")
    ddim = ours(RespacedDDIMScheduler(1000, clip_sample=False), 50, guided=True, mode="mean", eta=1.0)
    assert ddim == pytest.approx(ddpm, abs=1e-6)


@pytest.mark.parametrize("kind", [DDPMScheduler, DDIMScheduler])
@pytest.mark.parametrize(("steps", "ddpm", "ddim"), [(250, 0.7481, 0.1996), (50, 0.9362, 0.1978)])
def test_monai_samplers_miss_by_the_documented_amount(kind, steps, ddpm, ddim):
    mean, std = monai(kind(1000, schedule="improved_linear", clip_sample=False), steps)
    if kind is DDPMScheduler:
        assert std == pytest.approx(ddpm, abs=1e-3)
    else:
        assert mean == pytest.approx(ddim, abs=1e-4)
