"""An autoencoder whose latents have unit variance, as a diffusion model wants them."""

from typing import Any, NamedTuple

import torch
from torch import Tensor, nn


class Reconstruction(NamedTuple):
    """What :class:`LatentAutoencoder` makes of images."""

    images: Tensor
    """Reconstructed ``[B, C, H, W]``, about [-1, 1]."""
    mean: Tensor
    """Mean of the latents' posterior, unscaled, ``[B, c, h, w]``."""
    sigma: Tensor
    """Its standard deviation, likewise."""


class LatentAutoencoder(nn.Module):
    """Between images and scaled latents: a variational autoencoder and the factor that gives its latents a standard
    deviation of 1 (Rombach et al., CVPR 2022, Section G).

    The factor is a buffer, so it is kept in the file of the weights. It is NaN until
    :func:`~monai_minority.stages.measure_scale` has measured it on the training images, and so is then every latent.

    Args:
        network: MONAI's ``AutoencoderKL``, or what has its ``encode(images) -> (mean, sigma)`` and ``decode(latents)``.
    """

    scale: Tensor

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network: Any = network
        self.register_buffer("scale", torch.tensor(torch.nan))

    def encode(self, images: Tensor) -> Tensor:
        """Scaled latents ``[B, c, h, w]`` of images ``[B, C, H, W]`` in [-1, 1]: the mean of the posterior, so that an
        image has one latent."""
        return self.network.encode(images)[0] * self.scale

    def decode(self, latents: Tensor) -> Tensor:
        """Images ``[B, C, H, W]``, about [-1, 1] and not clamped, of scaled latents ``[B, c, h, w]``."""
        return self.network.decode(latents / self.scale)

    def forward(self, images: Tensor) -> Reconstruction:
        """Images to latents and back; in training through a sample of the posterior, else through its mean."""
        mean, sigma = self.network.encode(images)
        latents = mean + sigma * torch.randn_like(sigma) if self.training else mean
        return Reconstruction(self.network.decode(latents), mean, sigma)
