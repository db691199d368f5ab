"""Self-guidance against recorded steps of its authors' code, its options against the formula."""

import pytest
import torch

from monai_minority.diffusion import RespacedDDPMScheduler
from monai_minority.guidance import SamplingState, SelfGuidance
from monai_minority.networks import ADMUNet

SHAPE = (3, 1, 4, 4)


@pytest.fixture
def scheduler():
    scheduler = RespacedDDPMScheduler(1000, "improved_linear", prediction_type="sample")
    scheduler.set_timesteps(20)
    return scheduler


def denoise(x, timesteps):
    """A denoiser that is not linear, so that its gradient depends on the state."""
    return torch.tanh(1.5 * x) * (1 - timesteps.float().view(-1, 1, 1, 1) / 2000)


def written_out(scheduler, x_t, timesteps, noises, p, share):
    """``grad mean_draws ||x0 - x0_hat||_p``, ``x0_hat`` held fixed: ``J^T r |r|^(p-2) / ||r||^(p-1)``."""
    kept = scheduler.timesteps.flip(0)
    again = kept[int(len(kept) * share)].expand(len(x_t))
    a = scheduler.alphas_cumprod[again].view(-1, 1, 1, 1)
    x0 = denoise(x_t, timesteps)
    jacobian = 1.5 * (1 - torch.tanh(1.5 * x_t) ** 2) * (1 - timesteps.double().view(-1, 1, 1, 1) / 2000)
    total = torch.zeros_like(x_t)
    for noise in noises:
        r = x0 - denoise(a.sqrt() * x0 + (1 - a).sqrt() * noise.double(), again)
        norm = r.flatten(1).norm(p=p, dim=1).view(-1, 1, 1, 1)
        total += jacobian * r * r.abs() ** (p - 2) / norm ** (p - 1) / len(noises)
    return total


@pytest.mark.parametrize(("p", "draws", "share"), [(2.0, 1, 0.8), (1.0, 2, 0.5), (2.0, 3, 0.9)])
def test_gradient_equals_the_formula(scheduler, p, draws, share):
    x_t, noises = torch.randn(SHAPE), [torch.randn(SHAPE) for _ in range(draws)]
    timesteps = scheduler.timesteps.flip(0)[10].expand(3).clone()
    term = SelfGuidance(p, scale=1.7, renoise_share=share, draws=draws, normalize=False)
    gradient = term.gradient(SamplingState(x_t, timesteps, scheduler, denoise, draw=iter(noises).__next__))
    expected = 1.7 * written_out(scheduler, x_t.double(), timesteps, noises, p, share)
    torch.testing.assert_close(gradient.double(), expected, rtol=1e-4, atol=1e-5)


def test_normalised_by_the_largest_absolute_value(scheduler):
    x_t, noise = torch.randn(SHAPE), torch.randn(SHAPE)
    timesteps = scheduler.timesteps.flip(0)[5].expand(3).clone()
    expected = written_out(scheduler, x_t.double(), timesteps, [noise], 2.0, 0.8)
    expected = 0.5 * expected / expected.abs().amax((1, 2, 3), keepdim=True)
    gradient = SelfGuidance(scale=0.5).gradient(SamplingState(x_t, timesteps, scheduler, denoise, draw=lambda: noise))
    torch.testing.assert_close(gradient.double(), expected, rtol=1e-4, atol=1e-5)


def test_acts_where_the_index_is_divisible_and_not_too_low(scheduler):
    term = SelfGuidance(every=5, stop_share=0.4)
    acted = []
    for index, t in enumerate(scheduler.timesteps.flip(0)):
        drawn = []

        def draw(drawn=drawn):
            drawn.append(torch.randn(SHAPE))
            return drawn[-1]

        gradient = term.gradient(SamplingState(torch.randn(SHAPE), t.expand(3).clone(), scheduler, denoise, draw=draw))
        if gradient.any():
            acted.append(index)
        assert len(drawn) == bool(gradient.any())
    assert acted == [10, 15]  # multiples of 5 above 0.4 * 20


def test_clip_limits_both_images_at_each_draw(scheduler):
    x_t, noises = 2 * torch.randn(SHAPE), [torch.randn(SHAPE), torch.randn(SHAPE)]
    kept = scheduler.timesteps.flip(0)
    t, again = kept[10].expand(3).clone(), kept[16].expand(3)
    seen = []

    def distance(a, b):
        seen.append((a.detach(), b.detach()))
        return (a - b).abs().flatten(1).mean(1)

    term = SelfGuidance(distance, draws=2, clip=True)
    term.gradient(SamplingState(x_t, t, scheduler, lambda x, at: 3 * denoise(x, at), draw=iter(noises).__next__))
    x0 = (3 * denoise(x_t, t)).clamp(-1, 1)
    for (a, b), noise in zip(seen, noises, strict=True):
        restored = (3 * denoise(scheduler.add_noise(x0, noise, again), again)).clamp(-1, 1)
        torch.testing.assert_close(a, x0)
        torch.testing.assert_close(b, restored)


def test_errors_say_what_is_missing(scheduler):
    x_t, t = torch.zeros(SHAPE), scheduler.timesteps.flip(0)[5].expand(3).clone()
    with pytest.raises(ValueError, match="network must be given"):
        SelfGuidance().gradient(SamplingState(x_t, t, scheduler))
    with pytest.raises(ValueError, match="draw must be given"):
        SelfGuidance().gradient(SamplingState(x_t, t, scheduler, denoise))
    with pytest.raises(ValueError, match="renoise_share must be in"):
        SelfGuidance(renoise_share=1.0)
    with pytest.raises(ValueError, match="every=0"):
        SelfGuidance(every=0)
    with pytest.raises(ValueError, match="order of a norm"):
        SelfGuidance(0)


@pytest.mark.parametrize("name", ["step/linear_1ch_l2", "step/cosine_1ch_l1"])
def test_one_step_equals_the_recorded_one(fixtures_dir, name):
    recorded = torch.load(fixtures_dir / "later_methods.pt", weights_only=True)["self_guided"]
    entry = recorded["items"][name]
    settings = entry["mg_kwargs"]
    network = ADMUNet(**entry["config"])
    network.load_state_dict(recorded["networks"][entry["network"]])
    network.eval()
    scheduler = RespacedDDPMScheduler(entry["steps"], f"improved_{entry['noise_schedule']}")
    scheduler.set_timesteps(entry["timestep_respacing"])
    term = SelfGuidance(
        distance=settings["norm_for_mg"],
        scale=settings["mg_scale"],
        renoise_share=settings["p_ratio"],
        every=1,  # the step recorded is not one that a trajectory would act at
        draws=settings["num_mc_samples"],
        normalize=settings["use_normed_grad"],
        clip=settings["mg_clip_denoised"],
    )
    timesteps = scheduler.timesteps.flip(0)[entry["t"]]
    gradient = term.gradient(
        SamplingState(entry["x"], timesteps, scheduler, network, draw=iter(entry["noises"]).__next__)
    )
    guided = entry["mean"] + entry["variance"] * gradient
    torch.testing.assert_close(guided, entry["guided_mean"], rtol=0, atol=1e-5)
    assert (guided - entry["mean"]).abs().max() > 0.1
