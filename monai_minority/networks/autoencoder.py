"""An autoencoder whose latents have unit variance, as a diffusion model wants them."""

from typing import Any, NamedTuple

import torch
from torch import Tensor, nn


class Reconstruction(NamedTuple):
    """Output of :class:`LatentAutoencoder`."""

    images: Tensor
    """Reconstructed ``[B, C, H, W]``, about [-1, 1]."""
    mean: Tensor
    """Mean of the latents' posterior, unscaled, ``[B, c, h, w]``."""
    sigma: Tensor
    """Its standard deviation, likewise."""


class LatentAutoencoder(nn.Module):
    """A variational autoencoder with scaled latents, for latent diffusion (Rombach et al., CVPR 2022, Section G).

    The factor ``scale`` gives the latents a standard deviation of 1. It is a buffer and is saved with the weights. It
    is NaN, and so are all latents, until the stage ``train_autoencoder`` has measured it on the training images.

    Args:
        network: MONAI's ``AutoencoderKL``, or a module with ``encode(images) -> (mean, sigma)`` and
            ``decode(latents)``.

    Example:
        >>> import torch
        >>> from monai.networks.nets import AutoencoderKL
        >>> from monai_minority.networks import LatentAutoencoder
        >>> network = AutoencoderKL(
        ...     spatial_dims=2,
        ...     channels=(4, 4),
        ...     num_res_blocks=(1, 1),
        ...     attention_levels=(False, False),
        ...     latent_channels=3,
        ...     norm_num_groups=4,
        ... )
        >>> autoencoder = LatentAutoencoder(network).eval()
        >>> autoencoder.scale.fill_(0.5)  # measured on the training images by the stage train_autoencoder
        tensor(0.5000)
        >>> latents = autoencoder.encode(torch.zeros(2, 1, 16, 16))
        >>> latents.shape, autoencoder.decode(latents).shape
        (torch.Size([2, 3, 8, 8]), torch.Size([2, 1, 16, 16]))
    """

    scale: Tensor

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network: Any = network
        self.register_buffer("scale", torch.tensor(torch.nan))

    def encode(self, images: Tensor) -> Tensor:
        """Scaled latents ``[B, c, h, w]`` of images ``[B, C, H, W]`` in [-1, 1].

        The latent of an image is the mean of its posterior, so encoding is deterministic.
        """
        return self.network.encode(images)[0] * self.scale

    def decode(self, latents: Tensor) -> Tensor:
        """Images ``[B, C, H, W]``, about [-1, 1] and not clamped, of scaled latents ``[B, c, h, w]``."""
        return self.network.decode(latents / self.scale)

    def forward(self, images: Tensor) -> Reconstruction:
        """Reconstruct images ``[B, C, H, W]``: from a sample of the posterior in training mode, else from its mean."""
        mean, sigma = self.network.encode(images)
        latents = mean + sigma * torch.randn_like(sigma) if self.training else mean
        return Reconstruction(self.network.decode(latents), mean, sigma)
