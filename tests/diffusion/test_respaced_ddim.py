import pytest
import torch
from monai.networks.schedulers import DDIMScheduler

from monai_minority.diffusion import RespacedDDIMScheduler


def test_guided_trajectory_equals_the_recorded_one(sample_recorded):
    # Guided DDIM multiplies the rounding of the networks: with both in float64 the difference is still 9e-5.
    _, _, final = sample_recorded("linear/ddim_eta0", RespacedDDIMScheduler(1000), "score", from_recorded_states=False)
    assert final < 5e-4


@pytest.mark.parametrize("name", ["linear/ddim_eta0", "cosine/ddim_eta0.5"])
def test_each_step_equals_the_recorded_one(sample_recorded, name):
    scheduler = RespacedDDIMScheduler(1000, f"improved_{name.split('/')[0]}")
    samples, x0, _ = sample_recorded(name, scheduler, "score", from_recorded_states=True)
    # The first x_0 of the cosine trajectory reaches 1,900 and carries the rounding of that size.
    assert samples[0] < 1e-3
    assert max(samples[1:]) < 1e-4
    assert max(x0) < 1e-3


def test_a_full_chain_equals_monai_where_monai_is_right():
    ours = RespacedDDIMScheduler(1000, clip_sample=False)
    theirs = DDIMScheduler(1000, clip_sample=False)
    x, output = torch.randn(2, 2, 1, 4, 4).unbind()
    for t in (999, 500, 1, 0):
        torch.testing.assert_close(ours.step(output, t, x)[0], theirs.step(output, t, x)[0], rtol=0, atol=2e-4)


def test_noise_is_that_of_the_clipped_image():
    ours, theirs = RespacedDDIMScheduler(1000), DDIMScheduler(1000, "improved_linear")
    x, output, t = torch.full((1, 1, 1, 1), 3.0), torch.zeros(1, 1, 1, 1), 500
    a, a_prev = ours.alphas_cumprod[500].item(), ours.alphas_cumprod[499].item()
    # x_0 = 3 / sqrt(a) is clipped to 1, so x_t = 3 holds noise after all.
    noise = (3 - a**0.5) / (1 - a) ** 0.5
    previous, x0 = ours.step(output, t, x)
    assert x0.item() == 1.0
    assert previous.item() == pytest.approx(a_prev**0.5 + (1 - a_prev) ** 0.5 * noise, rel=1e-6)
    # MONAI goes on with the network's noise, 0, and jumps from 3 to the clipped image at once.
    assert theirs.step(output, t, x)[0].item() == pytest.approx(a_prev**0.5, rel=1e-5)


def test_previous_step_is_the_next_kept_one():
    scheduler = RespacedDDIMScheduler(1000, clip_sample=False)
    scheduler.set_timesteps([3, 2])
    assert scheduler.timesteps.tolist() == [999, 500, 499, 250, 0]
    x0, noise = torch.rand(2, 1, 4, 4), torch.randn(2, 1, 4, 4)
    for t, following in zip(scheduler.timesteps[:-1], scheduler.timesteps[1:], strict=True):
        previous, _ = scheduler.step(noise, t, scheduler.add_noise(x0, noise, t))
        torch.testing.assert_close(previous, scheduler.add_noise(x0, noise, following), rtol=0, atol=1e-4)


def test_a_learned_variance_is_ignored():
    scheduler, (x, output) = RespacedDDIMScheduler(1000), torch.randn(2, 1, 1, 4, 4)
    doubled = torch.cat([output, torch.randn_like(output)], dim=1)
    assert torch.equal(scheduler.step(doubled, 500, x)[0], scheduler.step(output, 500, x)[0])


def test_guidance_of_the_mean_without_variance_raises():
    scheduler, x = RespacedDDIMScheduler(1000), torch.zeros(1, 1, 2, 2)
    with pytest.raises(ValueError, match="mode='score'"):
        scheduler.step(x, 500, x, guidance=x, mode="mean", eta=0.0)
    with pytest.raises(ValueError, match="eta must be in"):
        scheduler.step(x, 500, x, eta=1.5)
