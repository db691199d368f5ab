"""The diffusion network's loss, as MONAI's engines call it."""

from typing import Any

from torch import Tensor, nn

from monai_minority.diffusion.hybrid_loss import HybridLoss, LossTerms
from monai_minority.diffusion.timestep_samplers import TimestepSampler
from monai_minority.training.noising import DenoisingTargets


class DenoisingLoss(nn.Module):
    """Loss of each image: mean squared error, and the hybrid loss where the network learns its variances.

    Args:
        scheduler: noise schedule and prediction type.
        rescale: see :class:`~monai_minority.diffusion.HybridLoss`.
        timestep_sampler: hears of the losses of every training batch, such as
            :class:`~monai_minority.diffusion.LossSecondMomentTimestepSampler`.
    """

    def __init__(self, scheduler: Any, rescale: bool = True, timestep_sampler: TimestepSampler | None = None) -> None:
        super().__init__()
        self.scheduler = scheduler
        self.timestep_sampler = timestep_sampler
        self.simple = HybridLoss(scheduler, "mse")
        self.hybrid = HybridLoss(scheduler, "hybrid", rescale)

    def forward(self, prediction: Tensor, targets: DenoisingTargets) -> Tensor:
        """Weighted loss ``[B]`` of network outputs ``[B, C, H, W]`` or ``[B, 2 C, H, W]``."""
        loss = self.terms(prediction, targets).loss
        if self.timestep_sampler is not None and loss.requires_grad:  # a validation loss does not
            self.timestep_sampler.update(targets.timesteps, loss)
        return targets.weights * loss

    def terms(self, prediction: Tensor, targets: DenoisingTargets) -> LossTerms:
        """Unweighted loss and its terms, ``[B]`` each."""
        x_t = self.scheduler.add_noise(targets.images, targets.noise, targets.timesteps)
        loss = self.simple if prediction.shape[1] == targets.images.shape[1] else self.hybrid
        return loss(prediction, targets.images, x_t, targets.timesteps, targets.noise)
