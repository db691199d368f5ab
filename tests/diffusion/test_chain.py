import pytest
import torch

from monai_minority.diffusion import DiffusionChain, RespacedDDPMScheduler, improved_cosine
from monai_minority.diffusion.chain import at_timesteps

NAMES = {
    "timestep_map": "timesteps",
    "betas": "betas",
    "alphas_cumprod": "alphas_cumprod",
    "alphas_cumprod_prev": "alphas_cumprod_prev",
    "posterior_variance": "posterior_variance",
    "posterior_log_variance_clipped": "posterior_log_variance",
    "posterior_mean_coef1": "x0_coefficient",
    "posterior_mean_coef2": "xt_coefficient",
}


@pytest.mark.parametrize("name", ["linear_1000_25", "cosine_1000_25", "cosine_4000_250"])
def test_tables_equal_the_recorded_ones(recorded_schedules, name):
    schedule, steps, kept = name.split("_")
    scheduler = RespacedDDPMScheduler(int(steps), f"improved_{schedule}")
    scheduler.set_timesteps(kept)
    recorded = recorded_schedules[f"respaced/{name}"]
    for theirs, ours in NAMES.items():
        torch.testing.assert_close(getattr(scheduler.chain, ours), recorded[theirs], rtol=0, atol=1e-13, msg=theirs)


def test_posterior_undoes_the_forward_step():
    # Bayes by hand for one pixel: prior q(x_prev | x_0), likelihood q(x_t | x_prev).
    alphas_cumprod = torch.tensor([0.9, 0.7, 0.4, 0.2], dtype=torch.float64)
    chain = DiffusionChain(alphas_cumprod, [0, 2])
    x0, x_t, step = 0.3, -0.8, 0.4 / 0.9
    precision = 1 / 0.1 + step / (1 - step)
    mean = (0.9**0.5 * x0 / 0.1 + step**0.5 * x_t / (1 - step)) / precision
    images = torch.tensor([[x0], [x_t]], dtype=torch.float64)
    assert chain.posterior_variance[1] == pytest.approx(1 / precision, rel=1e-12)
    assert chain.posterior_mean(images[:1], images[1:], 1).item() == pytest.approx(mean, rel=1e-12)


def test_mixed_log_variance_spans_posterior_variance_to_beta():
    chain = DiffusionChain((1 - improved_cosine(100)).cumprod(0), [3, 50, 99])
    ends = chain.mixed_log_variance(torch.tensor([[-1.0], [0.0], [1.0]]).double(), 1).flatten()
    low, high = chain.posterior_variance[1].log(), chain.betas[1].log()
    torch.testing.assert_close(ends, torch.stack([low, (low + high) / 2, high]))


def test_a_chain_of_one_step_is_finite():
    chain = DiffusionChain(torch.tensor([0.9, 0.1]), [1])
    assert chain.posterior_log_variance.isfinite().all()
    assert chain.fixed_large_variance.isfinite().all()
    assert float(chain.x0_coefficient[0]) == 1.0


def test_values_are_rounded_once_from_float64():
    table = torch.rand(10, dtype=torch.float64)
    images = torch.zeros(3, 1, 2, 2)
    index = torch.tensor([9, 0, 9])
    picked = at_timesteps(table, index, images)
    assert picked.shape == (3, 1, 1, 1)
    assert torch.equal(picked.flatten(), table[index].float())
    assert torch.equal(at_timesteps(table, 9, images.bfloat16()), table[9].float())


@pytest.mark.parametrize("index", [10, -1, torch.tensor([0, 10]), torch.tensor([0.5]), torch.zeros(1, 1).long()])
def test_timesteps_that_are_no_training_indices_raise(index):
    with pytest.raises(ValueError, match="timesteps must be"):
        at_timesteps(torch.ones(10), index, torch.zeros(2, 1))


def test_a_timestep_that_is_not_kept_is_named():
    chain = DiffusionChain(torch.linspace(0.9, 0.1, 10), [0, 5, 9])
    assert chain.index_of(torch.tensor(5)) == 1
    with pytest.raises(ValueError, match="timestep 4 is not one of the 3 kept"):
        chain.index_of(4)
