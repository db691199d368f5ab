"""The training loss against what it is made of."""

import torch

from monai_minority.diffusion import HybridLoss, LossSecondMomentTimestepSampler, RespacedDDPMScheduler
from monai_minority.inferers import DenoisingInferer
from monai_minority.training import DenoisingLoss, DenoisingTargets


def targets_of(count=5):
    return DenoisingTargets(
        torch.rand(count, 1, 4, 4) * 2 - 1,
        torch.randn(count, 1, 4, 4),
        torch.tensor([0, 10, 250, 600, 999])[:count],
        torch.tensor([1.0, 2.0, 0.5, 1.0, 3.0])[:count],
    )


def test_of_a_noise_prediction_it_is_the_mean_squared_error_times_the_weights():
    targets, prediction = targets_of(), torch.randn(5, 1, 4, 4)
    loss = DenoisingLoss(RespacedDDPMScheduler(1000))(prediction, targets)
    expected = targets.weights * (prediction - targets.noise).square().mean((1, 2, 3))
    torch.testing.assert_close(loss, expected, rtol=1e-6, atol=0)


def test_of_a_v_prediction_it_is_the_error_of_the_velocity():
    scheduler, targets = RespacedDDPMScheduler(1000, prediction_type="v_prediction"), targets_of()
    alpha = scheduler.alphas_cumprod[targets.timesteps].view(-1, 1, 1, 1)
    velocity = alpha.sqrt() * targets.noise - (1 - alpha).sqrt() * targets.images
    loss = DenoisingLoss(scheduler)
    assert loss(velocity.float(), targets).max() < 1e-10
    torch.testing.assert_close(loss(velocity.float() + 0.5, targets), 0.25 * targets.weights, rtol=1e-4, atol=1e-6)


def test_of_an_output_with_variances_it_is_the_hybrid_loss():
    scheduler, targets, output = RespacedDDPMScheduler(1000), targets_of(), torch.randn(5, 2, 4, 4)
    x_t = scheduler.add_noise(targets.images, targets.noise, targets.timesteps)
    expected = HybridLoss(scheduler)(output, targets.images, x_t, targets.timesteps, targets.noise)
    terms = DenoisingLoss(scheduler).terms(output, targets)
    torch.testing.assert_close(terms.loss, expected.loss, rtol=0, atol=0)
    assert (terms.vb > 0).all()
    torch.testing.assert_close(DenoisingLoss(scheduler)(output, targets), targets.weights * expected.loss)


def test_a_timestep_sampler_hears_of_training_losses_alone():
    sampler, targets = LossSecondMomentTimestepSampler(1000, history=1), targets_of()
    loss = DenoisingLoss(RespacedDDPMScheduler(1000), timestep_sampler=sampler)
    prediction = torch.randn(5, 1, 4, 4)
    loss(prediction, targets)
    assert not sampler.state_dict()["counts"].any(), "no gradient is asked for: a validation"
    weighted = loss(prediction.requires_grad_(), targets)
    heard = sampler.state_dict()
    assert heard["counts"].nonzero().flatten().tolist() == targets.timesteps.tolist()
    unweighted = (weighted / targets.weights).detach().double()
    torch.testing.assert_close(heard["losses"][targets.timesteps, 0], unweighted, rtol=1e-6, atol=0)


def test_inferer_and_loss_meet_at_the_same_noised_image():
    """A network that answers with its own input returns x_t; the loss then is that of x_t against the noise."""
    scheduler, targets = RespacedDDPMScheduler(1000), targets_of()
    x_t = DenoisingInferer(scheduler)(targets.images, lambda x, t: x, targets.noise, targets.timesteps)
    alpha = scheduler.alphas_cumprod[targets.timesteps].view(-1, 1, 1, 1).double()
    expected = (alpha.sqrt() - 0) * targets.images + ((1 - alpha).sqrt() - 1) * targets.noise
    found = DenoisingLoss(scheduler).terms(x_t, targets).loss
    torch.testing.assert_close(found.double(), expected.square().mean((1, 2, 3)), rtol=1e-4, atol=1e-9)
