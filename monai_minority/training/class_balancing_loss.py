"""The regularised loss of class-balancing diffusion."""

from torch import Tensor, nn

from monai_minority.diffusion import predict_epsilon
from monai_minority.inferers.denoising import LabelPair
from monai_minority.training.batches import DenoisingTargets
from monai_minority.training.denoising_loss import DenoisingLoss


class ClassBalancingLoss(nn.Module):
    """Loss of a network conditional on long-tailed labels (Qin et al., "Class-Balancing Diffusion Models", CVPR 2023).

    The loss adds a regulariser to the denoising loss of an image with label ``c``. It keeps the noise estimate near the
    one for a label ``c'``, which is drawn uniformly, whatever its frequency in the data:

    ``tau * t / T * (|e(x_t, c) - sg e(x_t, c')|^2 + gamma |sg e(x_t, c) - e(x_t, c')|^2)``

    ``sg`` stops the gradient, and the squares are averaged over pixels. Rare labels thus share what frequent labels
    have learned, most at high noise. :class:`NoisingPrepareBatch` draws the labels, and
    :class:`~monai_minority.inferers.DenoisingInferer` evaluates the network with both.

    Args:
        loss: denoising loss.
        strength: ``tau``; 1 equals the paper's 0.001 for unscaled timesteps of a chain of 1,000.
        commitment: ``gamma``; the paper uses 1/4.

    Raises:
        ValueError: a number is negative.

    Example:
        >>> import torch
        >>> from monai_minority.diffusion import RespacedDDPMScheduler
        >>> from monai_minority.inferers import LabelPair
        >>> from monai_minority.training import ClassBalancingLoss, DenoisingLoss, DenoisingTargets
        >>> loss = ClassBalancingLoss(DenoisingLoss(RespacedDDPMScheduler(1000)))
        >>> zeros = torch.zeros(1, 1, 2, 2)
        >>> targets = DenoisingTargets(zeros, zeros, torch.tensor([500]), torch.ones(1))
        >>> outputs = LabelPair(own=zeros, other=zeros + 1)  # the two labels disagree by 1
        >>> loss(outputs, targets)  # half of T, times 1 + 1/4
        tensor([0.6250])
    """

    def __init__(self, loss: DenoisingLoss, strength: float = 1.0, commitment: float = 0.25) -> None:
        super().__init__()
        if strength < 0 or commitment < 0:
            raise ValueError(f"strength and commitment must not be negative, got {strength} and {commitment}.")
        self.loss = loss
        self.strength = float(strength)
        self.commitment = float(commitment)

    def forward(self, prediction: Tensor | LabelPair, targets: DenoisingTargets) -> Tensor:
        """Weighted loss ``[B]``; the denoising loss alone for a plain output, as in validation."""
        if not isinstance(prediction, LabelPair):
            return self.loss(prediction, targets)
        return self.loss(prediction.own, targets) + targets.weights * self.regulariser(prediction, targets)

    def regulariser(self, prediction: LabelPair, targets: DenoisingTargets) -> Tensor:
        """Regulariser of each image, without its weight, ``[B]``."""
        scheduler, t = self.loss.scheduler, targets.timesteps
        x_t = scheduler.add_noise(targets.images, targets.noise, t)
        own, other = (predict_epsilon(output, x_t, t, scheduler) for output in prediction)
        pull = (own - other.detach()).square().flatten(1).mean(1)
        commit = (own.detach() - other).square().flatten(1).mean(1)
        return self.strength * t / scheduler.num_train_timesteps * (pull + self.commitment * commit)
