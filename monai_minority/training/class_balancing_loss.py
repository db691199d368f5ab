"""The regularised loss of class-balancing diffusion."""

from torch import Tensor, nn

from monai_minority.diffusion import predict_epsilon
from monai_minority.inferers.denoising import LabelPair
from monai_minority.training.denoising_loss import DenoisingLoss
from monai_minority.training.noising import DenoisingTargets


class ClassBalancingLoss(nn.Module):
    r"""Loss of a network conditional on long-tailed labels (Qin et al., "Class-Balancing Diffusion Models", CVPR 2023).

    To the denoising loss of an image with label ``c`` is added what holds its noise estimate near that for a label
    ``c'`` drawn uniformly, whatever its frequency in the data:

    ``tau * t / T * (|e(x_t, c) - sg e(x_t, c')|^2 + gamma |sg e(x_t, c) - e(x_t, c')|^2)``

    with ``sg`` for a stopped gradient and the squares averaged over pixels. Rare labels so share what frequent ones
    have learned, most at high noise. The labels are drawn by :class:`NoisingPrepareBatch` and asked for by
    :class:`~monai_minority.inferers.DenoisingInferer`.

    Args:
        loss: the denoising loss.
        strength: ``tau``; 1 is the paper's 0.001 of unscaled timesteps of a chain of 1,000.
        commitment: ``gamma``; the paper's is 1/4.

    Raises:
        ValueError: a number is negative.
    """

    def __init__(self, loss: DenoisingLoss, strength: float = 1.0, commitment: float = 0.25) -> None:
        super().__init__()
        if strength < 0 or commitment < 0:
            raise ValueError(f"strength and commitment must not be negative, got {strength} and {commitment}.")
        self.loss = loss
        self.strength = float(strength)
        self.commitment = float(commitment)

    def forward(self, prediction: Tensor | LabelPair, targets: DenoisingTargets) -> Tensor:
        """Weighted loss ``[B]``; of a plain output, as in validation, the denoising loss alone."""
        if not isinstance(prediction, LabelPair):
            return self.loss(prediction, targets)
        return self.loss(prediction.own, targets) + targets.weights * self.regulariser(prediction, targets)

    def regulariser(self, prediction: LabelPair, targets: DenoisingTargets) -> Tensor:
        """What is added to the unweighted loss of each image, ``[B]``."""
        scheduler, t = self.loss.scheduler, targets.timesteps
        x_t = scheduler.add_noise(targets.images, targets.noise, t)
        own, other = (predict_epsilon(output, x_t, t, scheduler) for output in prediction)
        pull = (own - other.detach()).square().flatten(1).mean(1)
        commit = (own.detach() - other).square().flatten(1).mean(1)
        return self.strength * t / scheduler.num_train_timesteps * (pull + self.commitment * commit)
