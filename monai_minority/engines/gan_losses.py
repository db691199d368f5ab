"""The losses of a GAN, as MONAI's ``GanTrainer`` calls them."""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn.functional import softplus


class GeneratorLoss:
    """Non-saturating loss of the generator (Goodfellow et al., 2014): ``softplus(-D(G(z)))``.

    Args:
        discriminator: from images ``[B, C, H, W]`` to logits ``[B]``, high for real ones.
    """

    def __init__(self, discriminator: Callable[[Tensor], Tensor]) -> None:
        self.discriminator = discriminator

    def __call__(self, made: Tensor) -> Tensor:
        """The mean over made images ``[B, C, H, W]``.

        Raises:
            ValueError: it is not finite.
        """
        return _finite(softplus(-self.discriminator(made)).mean(), "generator")


class DiscriminatorLoss:
    """Logistic loss of the discriminator with the R1 penalty (Mescheder et al., ICML 2018):
    ``softplus(D(G(z))) + softplus(-D(x)) + r1 / 2 ||grad_x D(x)||^2``.

    Args:
        discriminator: from images ``[B, C, H, W]`` to logits ``[B]``, high for real ones.
        r1: weight of the penalty of gradients at real images; 0 leaves it out.
    """

    def __init__(self, discriminator: Callable[[Tensor], Tensor], r1: float = 1.0) -> None:
        self.discriminator = discriminator
        self.r1 = r1

    def __call__(self, made: Tensor, real: Tensor) -> Tensor:
        """The mean over made and real images, ``[B, C, H, W]`` each; the generator gets no gradient.

        Raises:
            ValueError: it is not finite.
        """
        real = real.detach().requires_grad_(self.r1 > 0)
        logits = self.discriminator(real)
        loss = softplus(self.discriminator(made.detach())).mean() + softplus(-logits).mean()
        if self.r1 > 0:
            (slope,) = torch.autograd.grad(logits.sum(), real, create_graph=True)
            loss = loss + self.r1 / 2 * slope.square().flatten(1).sum(1).mean()
        return _finite(loss, "discriminator")


def _finite(loss: Tensor, whose: str) -> Tensor:
    if not loss.isfinite():
        raise ValueError(
            f"the loss of the {whose} must be finite, got {loss.item()}; training diverged: lower gan_learning_rate or "
            "raise gan_r1. The checkpoint of the last epoch is kept"
        )
    return loss
