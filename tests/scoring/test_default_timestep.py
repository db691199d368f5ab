import pytest
from monai.networks.schedulers import DDIMScheduler, DDPMScheduler

from monai_minority.diffusion import RespacedDDPMScheduler
from monai_minority.scoring.default_timestep import default_timestep


@pytest.mark.parametrize(
    ("scheduler", "expected"),
    [
        (DDPMScheduler(1000, schedule="linear_beta"), 600),
        (DDIMScheduler(1000, schedule="scaled_linear_beta", beta_start=0.0015, beta_end=0.0195), 600),
        (DDPMScheduler(1000, schedule="cosine"), 900),
        (RespacedDDPMScheduler(1000, "improved_linear"), 600),
        (RespacedDDPMScheduler(1000, "improved_cosine"), 900),
        (RespacedDDPMScheduler(4000, "improved_cosine"), 3600),
        (RespacedDDPMScheduler(50, "linear_beta", beta_start=1e-3, beta_end=0.2), 30),
    ],
)
def test_it_is_the_papers_share_of_the_steps(scheduler, expected):
    assert default_timestep(scheduler) == expected


def test_respacing_does_not_change_it():
    scheduler = RespacedDDPMScheduler(1000, "improved_cosine")
    scheduler.set_timesteps(25)
    assert default_timestep(scheduler) == 900


def test_another_schedule_raises():
    with pytest.raises(ValueError, match="follows neither"):
        default_timestep(DDPMScheduler(1000, schedule="sigmoid_beta"))
