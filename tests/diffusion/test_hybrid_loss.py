import math

import pytest
import torch

from monai_minority.diffusion import HybridLoss, RespacedDDPMScheduler
from monai_minority.diffusion.hybrid_loss import discretised_log_likelihood


@pytest.mark.parametrize("name", ["linear_1000", "cosine_4000"])
def test_terms_equal_the_recorded_ones(recorded_training, load_unet, name):
    entry = recorded_training[name]
    scheduler = RespacedDDPMScheduler(
        entry["steps"], f"improved_{entry['noise_schedule']}", rescale_timesteps=entry["rescale_timesteps"]
    )
    scheduler.set_timesteps(50)  # the loss is of the training chain, whatever steps are sampled with
    x_t = scheduler.add_noise(entry["x"], entry["noise"], entry["t"])
    assert torch.equal(x_t, entry["x_t"])
    with torch.no_grad():
        output = load_unet(entry["state_dict"])(x_t, scheduler.network_timesteps(entry["t"]))
    loss = HybridLoss(scheduler, rescale=entry["rescale_learned_sigmas"])
    terms = loss(output, entry["x"], x_t, entry["t"], entry["noise"])
    for term in ("mse", "vb", "loss"):
        torch.testing.assert_close(getattr(terms, term), entry[term], rtol=3e-6, atol=1e-7, msg=term)


def batch(scheduler, channels=2):
    x_0, noise = torch.rand(4, 1, 4, 4) * 2 - 1, torch.randn(4, 1, 4, 4)
    t = torch.tensor([0, 5, 300, len(scheduler.alphas_cumprod) - 1])
    return (
        torch.randn(4, channels, 4, 4, requires_grad=True),
        x_0,
        scheduler.add_noise(x_0, noise, t),
        t,
        noise,
    )


def test_the_bound_teaches_variances_alone():
    scheduler = RespacedDDPMScheduler(1000)
    output, *rest = batch(scheduler)
    terms = HybridLoss(scheduler)(output, *rest)
    (gradient,) = torch.autograd.grad(terms.vb.sum(), output, retain_graph=True)
    assert torch.equal(gradient[:, :1], torch.zeros_like(gradient[:, :1]))
    assert (gradient[1:, 1:] != 0).all()
    (gradient,) = torch.autograd.grad(terms.mse.sum(), output)
    assert torch.equal(gradient[:, 1:], torch.zeros_like(gradient[:, 1:]))


def test_objectives_weigh_the_same_bound():
    scheduler = RespacedDDPMScheduler(4000, "improved_cosine")
    output, *rest = batch(scheduler)
    hybrid, unscaled, mse, kl = (
        HybridLoss(scheduler, objective, rescale=rescale)(output, *rest)
        for objective, rescale in [("hybrid", True), ("hybrid", False), ("mse", True), ("kl", True)]
    )
    torch.testing.assert_close(hybrid.vb, 4 * unscaled.vb)
    torch.testing.assert_close(kl.loss, 4000 * unscaled.vb)
    torch.testing.assert_close(hybrid.loss, hybrid.mse + hybrid.vb)
    assert torch.equal(mse.loss, hybrid.mse)
    assert torch.equal(mse.vb, unscaled.vb)
    (gradient,) = torch.autograd.grad(kl.loss.sum(), output)
    assert (gradient[1:3, :1] != 0).all()


def test_a_perfect_prediction_has_the_divergence_of_its_variance():
    # Right mean, variance beta instead of the posterior's: KL = (r - 1 - log r) / 2 with r = posterior / beta.
    scheduler = RespacedDDPMScheduler(1000)
    _, x_0, x_t, t, noise = batch(scheduler)
    output = torch.cat([noise, torch.ones_like(noise)], dim=1)
    terms = HybridLoss(scheduler)(output, x_0, x_t, t, noise)
    ratio = (scheduler.chain.posterior_variance / scheduler.chain.betas)[t]
    expected = (ratio - 1 - ratio.log()) / 2 / math.log(2)
    assert torch.equal(terms.mse, torch.zeros(4))
    torch.testing.assert_close(terms.vb[1:].double(), expected[1:], rtol=1e-3, atol=1e-6)


def test_a_learned_variance_is_its_own_logarithm():
    ranged, learned = RespacedDDPMScheduler(1000), RespacedDDPMScheduler(1000, variance_type="learned")
    output, x_0, x_t, t, noise = batch(ranged)
    log_variance = ranged.chain.mixed_log_variance(output[:, 1:], t)
    in_logarithm = HybridLoss(learned)(torch.cat([output[:, :1], log_variance], dim=1), x_0, x_t, t, noise)
    assert torch.equal(in_logarithm.vb, HybridLoss(ranged)(output, x_0, x_t, t, noise).vb)


@pytest.mark.parametrize("prediction_type", ["epsilon", "sample", "v_prediction"])
def test_the_target_is_what_the_network_predicts(prediction_type):
    scheduler = RespacedDDPMScheduler(1000, prediction_type=prediction_type)
    _, x_0, x_t, t, noise = batch(scheduler)
    velocity = scheduler.get_velocity(x_0, noise, t)
    truth = {"epsilon": noise, "sample": x_0, "v_prediction": velocity}[prediction_type]
    terms = HybridLoss(scheduler, "mse")(truth, x_0, x_t, t, noise)
    assert torch.equal(terms.loss, torch.zeros(4))
    # Mean and variance of the posterior itself: nothing to pay beyond t = 0.
    torch.testing.assert_close(terms.vb[1:], torch.zeros(3), rtol=0, atol=1e-4)


def test_grey_levels_share_the_whole_probability():
    levels = torch.arange(256, dtype=torch.float64) * 2 / 255 - 1
    for mean, std in [(0.0, 0.3), (0.95, 0.1), (-1.2, 0.5), (0.1, 1e-3)]:
        log_variance = torch.full_like(levels, 2 * math.log(std))
        likelihood = discretised_log_likelihood(levels, torch.full_like(levels, mean), log_variance)
        assert likelihood.exp().sum().item() == pytest.approx(1.0, abs=1e-9)
    normal = torch.distributions.Normal(0.0, 0.3)
    bins = normal.cdf(levels[1:-1] + 1 / 255) - normal.cdf(levels[1:-1] - 1 / 255)
    log_variance = torch.full_like(levels, 2 * math.log(0.3))
    ours = discretised_log_likelihood(levels, torch.zeros_like(levels), log_variance)[1:-1].exp()
    torch.testing.assert_close(ours, bins, rtol=0.02, atol=1e-5)


def test_bad_arguments_raise():
    scheduler = RespacedDDPMScheduler(1000)
    with pytest.raises(ValueError, match="objective"):
        HybridLoss(scheduler, "vlb")
    with pytest.raises(ValueError, match="2 output channels"):
        HybridLoss(scheduler)(*batch(scheduler, channels=1))
