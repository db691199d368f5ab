"""The loss of a latent autoencoder."""

from monai.losses import PatchAdversarialLoss
from torch import Tensor, nn

from monai_minority.networks.autoencoder import Reconstruction
from monai_minority.scoring import Distance


class AutoencoderLoss(nn.Module):
    """Mean absolute error, divergence from the standard normal, and where they are wanted a perceptual and an
    adversarial term (Rombach et al., CVPR 2022, Section G).

    It is computed in float32, its networks too, whatever precision the autoencoder computed in.

    Args:
        kl_weight: of the divergence of an image's posterior, summed over its latent (Kingma & Welling, 2014).
        perceptual: distance ``[B]`` of images, such as :class:`~monai_minority.scoring.FeatureDistance`.
        perceptual_weight: its weight.
        discriminator: from images ``[B, C, H, W]`` to logits, or a list of maps whose last they are, as MONAI's
            ``PatchDiscriminator``. :class:`~monai_minority.training.DiscriminatorStep` trains it.
        adversarial_weight: weight of the least-squares loss that it gives (Mao et al., ICCV 2017).

    Attributes:
        adversarial: whether the adversarial term counts yet; the handler switches it on.
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
        # in a list it is no part of this module, so that whoever moves or saves the loss leaves it alone
        self._discriminator = [discriminator]
        self.adversarial_weight = adversarial_weight
        self.adversarial = False
        self._patch_loss = PatchAdversarialLoss(criterion="least_squares", no_activation_leastsq=True)

    def forward(self, reconstruction: Reconstruction, images: Tensor) -> Tensor:
        """The loss, a scalar, of reconstructions of images ``[B, C, H, W]`` in [-1, 1]."""
        made, mean, sigma = (part.float() for part in reconstruction)
        loss = (made - images).abs().mean() + self.kl_weight * divergence(mean, sigma).mean()
        if self.perceptual is not None and self.perceptual_weight:
            loss = loss + self.perceptual_weight * self.perceptual(made, images).mean()
        if self.adversarial and self._discriminator[0] is not None:
            loss = loss + self.adversarial_weight * self.fooling(made, True, False)
        return loss

    def fooling(self, images: Tensor, real: bool, for_discriminator: bool = True) -> Tensor:
        """How far the discriminator is from taking images for real ones, or for made ones, a scalar."""
        assert self._discriminator[0] is not None
        logits = self._discriminator[0](images.float())
        logits = logits if isinstance(logits, Tensor) else logits[-1]
        return self._patch_loss(logits, target_is_real=real, for_discriminator=for_discriminator)


def divergence(mean: Tensor, sigma: Tensor) -> Tensor:
    """Kullback-Leibler divergence ``[B]`` of N(mean, sigma^2) from N(0, 1), summed over ``[B, c, h, w]``."""
    return 0.5 * (mean.square() + sigma.square() - sigma.square().log() - 1).flatten(1).sum(1)
