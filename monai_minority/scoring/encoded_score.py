"""The minority score of images under a diffusion model of their latents."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from .minority_score import MinorityScore


class EncodedScore(MinorityScore):
    """Encodes images and scores the latents; all else is as in the score it is made of.

    Args:
        score: score of latents.
        encode: from images ``[B, C, H, W]`` in [-1, 1] to what ``score`` takes, such as
            :meth:`~monai_minority.networks.LatentAutoencoder.encode`.
    """

    def __init__(self, score: MinorityScore, encode: Callable[[Tensor], Tensor]) -> None:
        vars(self).update(vars(score))
        self.encode = encode

    def distances(self, images: Tensor, *args: Any, **options: Any) -> Tensor:
        """Single distances of the images' latents; noise, where it is given, is the latents' own."""
        with torch.no_grad():
            latents = torch.cat([self.encode(part) for part in images.split(self.max_batch)])
        return super().distances(latents, *args, **options)


def encoding(score: MinorityScore, autoencoder: Any = None) -> MinorityScore:
    """A score of images: the one given, or where there is an autoencoder that of their latents."""
    return score if autoencoder is None else EncodedScore(score, autoencoder.encode)
