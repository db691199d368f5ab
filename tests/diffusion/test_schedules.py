import pytest
import torch
from monai.networks.schedulers import DDPMScheduler, NoiseSchedules

from monai_minority.diffusion import (
    RespacedDDPMScheduler,
    improved_cosine,
    improved_linear,
    improved_scaled_linear,
    space_timesteps,
)


@pytest.mark.parametrize("schedule", ["linear", "cosine"])
@pytest.mark.parametrize("steps", [1000, 4000])
def test_betas_equal_the_recorded_ones(recorded_schedules, schedule, steps):
    recorded = recorded_schedules[f"betas/{schedule}_{steps}"]
    scheduler = RespacedDDPMScheduler(steps, f"improved_{schedule}")
    torch.testing.assert_close(scheduler.betas, recorded["betas"], rtol=0, atol=1e-15)
    torch.testing.assert_close(scheduler.alphas_cumprod, recorded["alphas_cumprod"], rtol=0, atol=1e-15)


def test_kept_timesteps_equal_the_recorded_ones(recorded_schedules):
    spaces = [entry for name, entry in recorded_schedules.items() if name.startswith("space/")]
    assert len(spaces) > 10
    for entry in spaces:
        assert space_timesteps(entry["steps"], entry["sections"]) == entry["kept"].tolist()


def test_scaled_linear_is_that_of_latent_diffusion_and_ends_alike_at_every_length():
    roots = torch.linspace(0.00085**0.5, 0.012**0.5, 1000, dtype=torch.float64)
    torch.testing.assert_close(improved_scaled_linear(1000), roots**2, rtol=0, atol=1e-18)
    ends = [torch.log1p(-improved_scaled_linear(steps)).sum() for steps in (500, 1000, 4000)]
    assert torch.stack(ends) == pytest.approx(torch.stack(ends).mean().item(), rel=0.01)


def test_monai_schedulers_take_the_schedules_by_name():
    for name, betas in (("improved_linear", improved_linear), ("improved_cosine", improved_cosine)):
        assert name in NoiseSchedules
        torch.testing.assert_close(DDPMScheduler(400, name).betas, betas(400))


def test_linear_beta_of_monai_is_four_times_too_large_at_4000_steps():
    monai, ours = DDPMScheduler(4000, "linear_beta"), RespacedDDPMScheduler(4000)
    torch.testing.assert_close(monai.betas.double() / ours.betas, torch.full((4000,), 4.0).double(), rtol=1e-5, atol=0)
    reference = RespacedDDPMScheduler(1000).alphas_cumprod
    assert ours.alphas_cumprod[-1] == pytest.approx(float(reference[-1]), rel=0.1)
    assert monai.alphas_cumprod[-1] < 1e-12 * reference[-1]


def test_unscaled_ends_warn_where_they_are_wrong():
    with pytest.warns(UserWarning, match="improved_linear"):
        RespacedDDPMScheduler(4000, "linear_beta")


def test_cosine_of_monai_loses_digits_of_the_first_betas():
    ours = improved_cosine(4000)
    error = ((NoiseSchedules["cosine"](4000)[0].double() - ours) / ours).abs()
    assert error[:100].max() > 1e-3
    in_float32 = ((ours.float().double() - ours) / ours).abs().max()
    assert in_float32 < 1e-7


@pytest.mark.parametrize(
    ("sections", "kept"),
    [
        (3, [0, 4, 9]),
        ("3", [0, 4, 9]),
        ([2, 1], [0, 4, 5]),
        ("ddim5", [0, 2, 4, 6, 8]),
        ([1, 0], [0]),
        (1, [0]),
    ],
)
def test_spacing_of_ten_steps(sections, kept):
    # 4.5 rounds to 4, the even neighbour.
    assert space_timesteps(10, sections) == kept


@pytest.mark.parametrize("sections", [11, "ddim7", "ddim", "ddim2,5", "a", "", [], [6, 6], [0], -1, None])
def test_impossible_spacings_raise(sections):
    with pytest.raises(ValueError, match="sections"):
        space_timesteps(10, sections)


def test_linear_betas_that_would_leave_the_unit_interval_raise():
    with pytest.raises(ValueError, match="beta_end"):
        improved_linear(20)
    with pytest.raises(ValueError, match="max_beta"):
        improved_cosine(20, max_beta=1.0)
    for schedule in (improved_linear, improved_cosine):
        with pytest.raises(ValueError, match="num_train_timesteps"):
            schedule(0)
