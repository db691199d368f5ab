"""The loss of a latent autoencoder."""

from monai.losses import PatchAdversarialLoss
from torch import Tensor, nn

from monai_minority.networks.autoencoder import Reconstruction
from monai_minority.scoring import Distance


class AutoencoderLoss(nn.Module):
    """Mean absolute error, divergence from the standard normal, and optional perceptual and adversarial terms.

    See Rombach et al., CVPR 2022, Section G. The loss and its networks compute in float32, whatever precision the
    autoencoder uses.

    Args:
        kl_weight: weight of the divergence of an image's posterior, summed over its latent (Kingma & Welling, 2014).
        perceptual: distance ``[B]`` between images, such as :class:`~monai_minority.scoring.FeatureDistance`.
        perceptual_weight: weight of the perceptual distance.
        discriminator: network from images ``[B, C, H, W]`` to logits, or to a list of maps that ends with the logits,
            as MONAI's ``PatchDiscriminator``. :class:`~monai_minority.training.DiscriminatorStep` trains it.
        adversarial_weight: weight of the discriminator's least-squares loss (Mao et al., ICCV 2017).

    Attributes:
        adversarial: whether the adversarial term is on; the handler switches it.

    Example:
        >>> import torch
        >>> from monai_minority.networks.autoencoder import Reconstruction
        >>> from monai_minority.training import AutoencoderLoss
        >>> images, latents = torch.zeros(2, 1, 4, 4), torch.zeros(2, 1, 1, 1)
        >>> made = Reconstruction(images + 0.5, mean=latents + 2, sigma=latents + 1)
        >>> round(AutoencoderLoss(kl_weight=0.1)(made, images).item(), 3)  # 0.5 and 0.1 times a divergence of 2
        0.7
    """

    def __init__(
        self,
        kl_weight: float = 1e-6,
        perceptual: Distance | None = None,
        perceptual_weight: float = 0.0,
        discriminator: nn.Module | None = None,
        adversarial_weight: float = 0.0,
    ) -> None:
        super().__init__()
        self.kl_weight = kl_weight
        self.perceptual = perceptual
        self.perceptual_weight = perceptual_weight
        # a list hides it from this module, so that moving or saving the loss does not include it
        self._discriminator = [discriminator]
        self.adversarial_weight = adversarial_weight
        self.adversarial = False
        self._patch_loss = PatchAdversarialLoss(criterion="least_squares", no_activation_leastsq=True)

    def forward(self, reconstruction: Reconstruction, images: Tensor) -> Tensor:
        """Loss of reconstructions of images ``[B, C, H, W]`` in [-1, 1], a scalar."""
        made, mean, sigma = (part.float() for part in reconstruction)
        loss = (made - images).abs().mean() + self.kl_weight * divergence(mean, sigma).mean()
        if self.perceptual is not None and self.perceptual_weight:
            loss = loss + self.perceptual_weight * self.perceptual(made, images).mean()
        if self.adversarial and self._discriminator[0] is not None:
            loss = loss + self.adversarial_weight * self.fooling(made, True, False)
        return loss

    def fooling(self, images: Tensor, real: bool, for_discriminator: bool = True) -> Tensor:
        """The discriminator's loss where images are to be classed as real, or as generated; a scalar."""
        assert self._discriminator[0] is not None
        logits = self._discriminator[0](images.float())
        logits = logits if isinstance(logits, Tensor) else logits[-1]
        return self._patch_loss(logits, target_is_real=real, for_discriminator=for_discriminator)


def divergence(mean: Tensor, sigma: Tensor) -> Tensor:
    """Kullback-Leibler divergence ``[B]`` of N(mean, sigma^2) from N(0, 1), summed over ``[c, h, w]``."""
    return 0.5 * (mean.square() + sigma.square() - sigma.square().log() - 1).flatten(1).sum(1)
