import pytest
import torch
from monai.networks.schedulers import DDPMScheduler

from monai_minority.diffusion import RespacedDDPMScheduler


@pytest.mark.parametrize("name", ["linear/ancestral", "linear/ancestral_unguided", "cosine/ancestral"])
def test_trajectories_equal_the_recorded_ones(sample_recorded, name):
    scheduler = RespacedDDPMScheduler(1000, f"improved_{name.split('/')[0]}")
    samples, x0, final = sample_recorded(name, scheduler, "mean", from_recorded_states=False)
    assert max(samples) < 2e-5
    assert final < 2e-5
    # The network's float32 rounding times sqrt(1 / a_t - 1), up to 157 for the linear schedule.
    assert max(x0) < 1e-3


def test_a_full_chain_equals_monai_where_monai_is_right():
    ours, theirs = RespacedDDPMScheduler(1000), DDPMScheduler(1000)
    x, output = torch.randn(2, 2, 1, 4, 4).unbind()
    for t in (999, 500, 1):
        torch.manual_seed(t)
        expected, expected_x0 = theirs.step(output, t, x)
        torch.manual_seed(t)
        previous, x0 = ours.step(output, t, x)
        torch.testing.assert_close(previous, expected, rtol=0, atol=2e-4)
        torch.testing.assert_close(x0, expected_x0, rtol=0, atol=2e-4)


@pytest.mark.parametrize("variance_type", ["fixed_small", "fixed_large", "learned", "learned_range", None])
def test_noise_has_the_std_of_its_variance_type(variance_type):
    scheduler = RespacedDDPMScheduler(1000, variance_type=variance_type)
    scheduler.set_timesteps(10)
    t, x = int(scheduler.timesteps[4]), torch.zeros(1, 1, 1, 1)
    index = scheduler.chain.index_of(t)
    beta, posterior = scheduler.chain.betas[index], scheduler.chain.posterior_variance[index]
    learned = 0.4
    expected = {
        "fixed_small": posterior,
        "fixed_large": beta,
        "learned": torch.tensor(learned).exp(),
        "learned_range": beta**0.7 * posterior**0.3,
        None: beta**0.7 * posterior**0.3,
    }[variance_type]
    output = torch.tensor([0.0, learned]).view(1, 2, 1, 1)
    std = scheduler.step(output, t, x, noise=x + 1)[0] - scheduler.step(output, t, x, noise=x)[0]
    assert std.item() == pytest.approx(float(expected) ** 0.5, rel=1e-5)
    # Guidance of the mean is multiplied by the same variance.
    shift = scheduler.step(output, t, x, guidance=x + 1, noise=x)[0] - scheduler.step(output, t, x, noise=x)[0]
    assert shift.item() == pytest.approx(float(expected), rel=1e-5)


def test_monai_mixes_learned_variances_in_linear_space():
    scheduler, monai = RespacedDDPMScheduler(1000), DDPMScheduler(1000, variance_type="learned_range")
    small, large = scheduler.chain.posterior_variance[1], scheduler.chain.betas[1]
    middle = scheduler.chain.mixed_log_variance(torch.zeros(1, 1), 1).exp().item()
    assert middle == pytest.approx(float((small * large).sqrt()), rel=1e-6)
    assert monai._get_variance(1, torch.zeros(1)).item() == pytest.approx(float((small + large) / 2), rel=1e-2)
    assert middle < 0.99 * float((small + large) / 2)


def test_a_plain_network_takes_the_posterior_variance():
    scheduler, x = RespacedDDPMScheduler(1000), torch.zeros(1, 1, 1, 1)
    std = scheduler.step(x, 300, x, noise=x + 1)[0] - scheduler.step(x, 300, x, noise=x)[0]
    assert std.item() == pytest.approx(float(scheduler.chain.posterior_variance[300].sqrt()), rel=1e-6)


@pytest.mark.parametrize("variance_type", ["learned", "learned_range"])
def test_a_learned_variance_that_the_network_does_not_give_raises(variance_type):
    scheduler, x = RespacedDDPMScheduler(1000, variance_type=variance_type), torch.zeros(1, 1, 1, 1)
    with pytest.raises(ValueError, match="2 output channels"):
        scheduler.step(x, 300, x)


def test_bad_arguments_raise():
    with pytest.raises(ValueError, match="variance_type"):
        RespacedDDPMScheduler(1000, variance_type="small")
    x = torch.zeros(1, 1, 1, 1)
    with pytest.raises(ValueError, match="eta"):
        RespacedDDPMScheduler(1000).step(x, 300, x, eta=0.5)
