"""The multistep solver against the exact probability flow of Gaussians, with the exact guidance and without.

Data are N(0.2, s^2) with s from 0.1 to 0.9. Steps are affine, so mean and std of the samples follow without a random
draw. The error is the root mean square over s, at the last kept timestep, where ``x_T`` has the right mean and std.
"""

import numpy as np
import pytest
import torch

from monai_minority.diffusion import RespacedDDIMScheduler, RespacedDDPMScheduler, RespacedDPMSolverScheduler

MEAN, OBSERVED, OBSERVED_STD = 0.2, 1.0, 0.5
STEPS = (20, 30, 40, 60, 80, 120, 160)
STDS = (0.1, 0.3, 0.5, 0.7, 0.9)


class ExactGaussian:
    """Denoiser of N(MEAN, std^2), and classifier of an observation that has noise of std ``OBSERVED_STD``."""

    def __init__(self, std: float) -> None:
        self.variance = std**2

    def moments(self, guided: bool) -> tuple[float, float]:
        """Mean and std of the data, or of what guidance leads to."""
        if not guided:
            return MEAN, self.variance**0.5
        precision = 1 / self.variance + OBSERVED_STD**-2
        return (MEAN / self.variance + OBSERVED / OBSERVED_STD**2) / precision, precision**-0.5

    def x0(self, x, alpha):
        return MEAN + self._gain(alpha) * (x - alpha**0.5 * MEAN)

    def output(self, x, alpha, prediction_type):
        x0 = self.x0(x, alpha)
        noise = (x - alpha**0.5 * x0) / (1 - alpha) ** 0.5
        velocity = alpha**0.5 * noise - (1 - alpha) ** 0.5 * x0
        return {"epsilon": noise, "v_prediction": velocity, "sample": x0}[prediction_type]

    def gradient(self, x, alpha):
        within = self.variance * (1 - alpha) / (alpha * self.variance + 1 - alpha)
        return self._gain(alpha) * (OBSERVED - self.x0(x, alpha)) / (OBSERVED_STD**2 + within)

    def _gain(self, alpha):
        return alpha**0.5 * self.variance / (alpha * self.variance + 1 - alpha)


def noised(mean, std, alpha):
    """Mean and std of N(mean, std^2) at a noise level."""
    return alpha**0.5 * mean, (alpha * std**2 + 1 - alpha) ** 0.5


def deviations(scheduler, steps, std, guided=False, eta=0.0):
    """Deviation of the samples' mean and std from the exact ones."""
    scheduler.set_timesteps(steps)
    exact = ExactGaussian(std)
    wanted = exact.moments(guided)
    timesteps = scheduler.timesteps.tolist()
    mean, spread = noised(*wanted, float(scheduler.alphas_cumprod[timesteps[0]]))
    # Probes: the mean, one std above it, and the mean with a unit of noise in one of the steps.
    x = torch.full((len(timesteps) + 1, 1, 1, 1), mean, dtype=torch.float64)
    x[1] += spread
    for i, t in enumerate(timesteps[:-1]):
        alpha = float(scheduler.alphas_cumprod[t])
        noise = torch.zeros_like(x)
        noise[i + 2] = 1
        x, _ = scheduler.step(
            exact.output(x, alpha, scheduler.prediction_type),
            t,
            x,
            guidance=exact.gradient(x, alpha) if guided else None,
            mode="score",
            eta=eta,
            noise=noise,
        )
    mean, spread = noised(*wanted, float(scheduler.alphas_cumprod[timesteps[-1]]))
    return float(x[0]) - mean, float((x[1:] - x[0]).square().sum().sqrt()) - spread


def error(scheduler, steps, **options):
    """Root mean square over the data's stds of the deviations of mean and std."""
    return np.sqrt(np.mean([np.square(deviations(scheduler, steps, std, **options)) for std in STDS], axis=0))


def orders(scheduler, **options):
    """Slopes of the errors of mean and std against the steps, both logarithmic, and the errors by steps."""
    errors = np.array([error(scheduler, steps, **options) for steps in STEPS])
    return -np.polyfit(np.log(STEPS), np.log(np.maximum(errors, 1e-15)), 1)[0], errors


@pytest.mark.parametrize(
    ("train_steps", "schedule", "prediction_type"),
    [
        (1000, "improved_linear", "epsilon"),
        (1000, "improved_linear", "v_prediction"),
        (4000, "improved_cosine", "sample"),
    ],
)
def test_error_falls_with_the_square_of_the_steps(train_steps, schedule, prediction_type):
    """Measured orders: 1.94 (linear) and 1.96 (cosine). From 20 to 160 steps the error falls by a factor of 55."""
    scheduler = RespacedDPMSolverScheduler(train_steps, schedule, prediction_type=prediction_type, clip_sample=False)
    (_, order), errors = orders(scheduler)
    assert order == pytest.approx(2, abs=0.1)
    assert errors[:, 0].max() < 1e-9


def test_error_is_a_quarter_of_that_of_ddim_at_20_steps():
    """0.019 and 0.070 in the std; that of DDIM falls with the steps themselves."""
    ddim = RespacedDDIMScheduler(1000, clip_sample=False)
    solver = RespacedDPMSolverScheduler(1000, clip_sample=False)
    assert error(solver, 20)[1] < 0.3 * error(ddim, 20)[1]
    assert orders(ddim)[0][1] == pytest.approx(1, abs=0.1)


@pytest.mark.parametrize(("train_steps", "schedule"), [(1000, "improved_linear"), (4000, "improved_cosine")])
@pytest.mark.parametrize("order", [1, 2])
def test_guided_error_falls_with_the_order_of_the_guidance(train_steps, schedule, order):
    """Measured, order 1: mean 0.97 and 1.04, std 0.99 and 1.07. Order 2: mean exact, std 1.97 and 1.99."""
    scheduler = RespacedDPMSolverScheduler(train_steps, schedule, clip_sample=False, guidance_order=order)
    (of_mean, of_std), errors = orders(scheduler, guided=True)
    assert of_std == pytest.approx(order, abs=0.15)
    if order == 1:
        assert of_mean == pytest.approx(1, abs=0.1)
    else:
        assert errors[:, 0].max() < 1e-9
    assert errors[-1].max() < 0.01


def test_stochastic_variant_is_more_accurate_than_ancestral_sampling():
    """Measured orders of the std 1.58 and, of ancestral sampling with the posterior variance, 0.81."""
    solver, ddim = (kind(1000, clip_sample=False) for kind in (RespacedDPMSolverScheduler, RespacedDDIMScheduler))
    (_, order), errors = orders(solver, eta=1.0)
    assert order > 1.5
    assert errors[:, 0].max() < 1e-9
    assert errors[0, 1] < 0.2 * error(ddim, 20, eta=1.0)[1]


@pytest.mark.parametrize("eta", [0.0, 1.0])
def test_first_step_and_last_step_are_those_of_ddim(eta):
    solver, ddim = RespacedDPMSolverScheduler(1000), RespacedDDIMScheduler(1000)
    x, output, gradient, noise = torch.randn(4, 2, 1, 4, 4, generator=torch.Generator().manual_seed(0)).unbind()
    for scheduler in (solver, ddim):
        scheduler.set_timesteps(10)
    for t in (solver.timesteps[0], solver.timesteps[4], solver.timesteps[-1]):
        # None of them continues a trajectory, so none is extrapolated.
        ours, x0 = solver.step(output, t, x, gradient, mode="score", eta=eta, noise=noise)
        theirs, their_x0 = ddim.step(output, t, x, gradient, mode="score", eta=eta, noise=noise)
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-4)
        torch.testing.assert_close(x0, their_x0)


def test_first_order_of_the_stochastic_variant_is_ancestral_sampling():
    solver, ddpm = RespacedDPMSolverScheduler(1000), RespacedDDPMScheduler(1000, variance_type="fixed_small")
    x, output, noise = torch.randn(3, 2, 1, 4, 4, generator=torch.Generator().manual_seed(1)).unbind()
    for scheduler in (solver, ddpm):
        scheduler.set_timesteps(25)
    t = solver.timesteps[7]
    ours, theirs = solver.step(output, t, x, eta=1.0, noise=noise)[0], ddpm.step(output, t, x, noise=noise)[0]
    torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("order", "first_gradient", "change"), [(1, 5.0, 0.2), (2, 5.0, None), (2, None, 0.2)])
def test_second_step_extrapolates_the_guided_estimate_or_the_network_alone(order, first_gradient, change):
    scheduler = RespacedDPMSolverScheduler(1000, prediction_type="sample", clip_sample=False, guidance_order=order)
    scheduler.set_timesteps(5)
    first, second, third = scheduler.timesteps[:3].tolist()
    x = torch.ones(1, 1, 1, 1, dtype=torch.float64)

    def x0(value):
        return torch.full_like(x, value)

    gradient = None if first_gradient is None else torch.full_like(x, first_gradient)
    _, before = scheduler.step(x0(0.1), first, x, guidance=gradient, mode="score")
    previous, guided = scheduler.step(x0(0.3), second, x, guidance=torch.full_like(x, 2.0), mode="score")
    a, a_next = (scheduler.alphas_cumprod[t].item() for t in (second, third))
    log_ratios = [
        0.5 * np.log(scheduler.alphas_cumprod[t].item() / (1 - scheduler.alphas_cumprod[t].item()))
        for t in (first, second, third)
    ]
    steps = np.diff(log_ratios)
    shift = (1 - a) / a**0.5 * 2.0
    change = 0.3 + shift - before.item() if change is None else change
    estimate = 0.3 + shift + 0.5 * steps[1] / steps[0] * change
    expected = ((1 - a_next) / (1 - a)) ** 0.5 + a_next**0.5 * (1 - np.exp(-steps[1])) * estimate
    assert steps[1] < steps[0]  # so that the limit of the extrapolation is not what is seen
    assert previous.item() == pytest.approx(expected, rel=1e-9)
    assert guided.item() == pytest.approx(0.3 + shift, rel=1e-9)


def test_each_trajectory_starts_anew():
    scheduler = RespacedDPMSolverScheduler(1000)
    scheduler.set_timesteps(6)
    start, outputs = torch.randn(2, 1, 4, 4), torch.randn(6, 2, 1, 4, 4)

    def sample(first=0):
        x = start
        for t, output in zip(scheduler.timesteps[first:], outputs[first:], strict=True):
            x, _ = scheduler.step(output, t, x)
        return x

    whole, later = sample(), sample(first=2)
    assert torch.equal(sample(), whole)
    for t in scheduler.timesteps[:2]:  # broken off
        scheduler.step(outputs[0], t, start)
    assert torch.equal(sample(), whole)
    for t in scheduler.timesteps[:2]:  # broken off where another one starts
        scheduler.step(outputs[0], t, start)
    assert not torch.equal(sample(first=2), later)
    for t in scheduler.timesteps[:2]:
        scheduler.step(outputs[0], t, start)
    scheduler.restart()
    assert torch.equal(sample(first=2), later)


def test_clipped_estimates_are_extrapolated():
    scheduler = RespacedDPMSolverScheduler(1000, prediction_type="sample")
    clipped = RespacedDPMSolverScheduler(1000, prediction_type="sample", clip_sample=False)
    x = torch.randn(1, 1, 2, 2)
    for scheduler_, bound in ((scheduler, 5.0), (clipped, 1.0)):
        scheduler_.set_timesteps(5)
        scheduler_.last = scheduler_.step(torch.full_like(x, -bound), scheduler_.timesteps[0], x)[0]
    first, second = (s.step(torch.full_like(x, 0.5), s.timesteps[1], s.last)[0] for s in (scheduler, clipped))
    torch.testing.assert_close(first, second)


def test_a_learned_variance_is_ignored():
    scheduler, (x, output) = RespacedDPMSolverScheduler(1000), torch.randn(2, 1, 1, 4, 4)
    doubled = torch.cat([output, torch.randn_like(output)], dim=1)
    assert torch.equal(scheduler.step(doubled, 500, x)[0], scheduler.step(output, 500, x)[0])


def test_bad_arguments_are_named():
    scheduler, x = RespacedDPMSolverScheduler(1000), torch.zeros(1, 1, 2, 2)
    with pytest.raises(ValueError, match="mode must be 'score'"):
        scheduler.step(x, 500, x, guidance=x, mode="mean")
    with pytest.raises(ValueError, match="eta must be in"):
        scheduler.step(x, 500, x, eta=1.5)
    with pytest.raises(ValueError, match="guidance_order must be 1 or 2"):
        RespacedDPMSolverScheduler(1000, guidance_order=3)
    with pytest.raises(ValueError, match="guidance must have the shape"):
        scheduler.step(x, 500, x, guidance=x[..., :1], mode="score")
