"""The loss of the diffusion network, in the form that MONAI's engines call."""

from typing import Any

from torch import Tensor, nn

from monai_minority.diffusion.hybrid_loss import HybridLoss, LossTerms
from monai_minority.diffusion.timestep_samplers import TimestepSampler
from monai_minority.training.batches import DenoisingTargets


class DenoisingLoss(nn.Module):
    """Loss of each image: the mean squared error, or the hybrid loss where the network learns its variances.

    Args:
        scheduler: noise schedule and prediction type.
        timestep_sampler: sampler that receives the losses of every training batch, such as
            :class:`~monai_minority.diffusion.LossSecondMomentTimestepSampler`.

    Example:
        >>> import torch
        >>> from monai_minority.diffusion import RespacedDDPMScheduler
        >>> from monai_minority.training import DenoisingLoss, DenoisingTargets
        >>> images, noise = torch.zeros(2, 1, 4, 4), torch.ones(2, 1, 4, 4)
        >>> targets = DenoisingTargets(images, noise, torch.tensor([10, 900]), torch.ones(2))
        >>> DenoisingLoss(RespacedDDPMScheduler(1000))(0.5 * noise, targets)
        tensor([0.2500, 0.2500])
    """

    def __init__(self, scheduler: Any, timestep_sampler: TimestepSampler | None = None) -> None:
        super().__init__()
        self.scheduler = scheduler
        self.timestep_sampler = timestep_sampler
        self.simple = HybridLoss(scheduler, "mse")
        self.hybrid = HybridLoss(scheduler, "hybrid")

    def forward(self, prediction: Tensor, targets: DenoisingTargets) -> Tensor:
        """Weighted loss ``[B]`` of network outputs ``[B, C, H, W]`` or ``[B, 2 C, H, W]``."""
        loss = self.terms(prediction, targets).loss
        if self.timestep_sampler is not None and loss.requires_grad:  # a validation loss has no gradient
            self.timestep_sampler.update(targets.timesteps, loss)
        return targets.weights * loss

    def terms(self, prediction: Tensor, targets: DenoisingTargets) -> LossTerms:
        """Unweighted loss and its terms, ``[B]`` each."""
        x_t = self.scheduler.add_noise(targets.images, targets.noise, targets.timesteps)
        loss = self.simple if prediction.shape[1] == targets.images.shape[1] else self.hybrid
        return loss(prediction, targets.images, x_t, targets.timesteps, targets.noise)
