"""What every distance between images offers."""

from abc import ABC, abstractmethod
from typing import Any, TypeAlias

from torch import Tensor, nn

Embedding: TypeAlias = Any
"""What a distance compares: one tensor ``[B, …]`` or a list of feature maps ``[B, C, h, w]``."""


class Distance(nn.Module, ABC):
    """A distance between images in two steps, so that an image met many times is embedded once.

    Both steps are differentiable. A subclass writes :meth:`embed` and :meth:`compare`.
    """

    @abstractmethod
    def embed(self, x: Tensor) -> Embedding:
        """What is compared of images ``[B, 1 or 3, H, W]`` in [-1, 1], the batch first in each tensor."""

    @abstractmethod
    def compare(self, a: Embedding, b: Embedding) -> Tensor:
        """Distances ``[B]``, at least 0, between the images behind two embeddings."""

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        """Distances ``[B]`` between images ``[B, 1 or 3, H, W]`` in [-1, 1]."""
        return self.compare(self.embed(x), self.embed(y))


def as_rgb(x: Tensor) -> Tensor:
    """Grey images ``[B, 1, H, W]`` repeated to three channels; those of three as they are.

    Raises:
        ValueError: for any other number of channels.
    """
    if x.ndim != 4 or x.shape[1] not in (1, 3):
        raise ValueError(f"images must be [B, 1 or 3, H, W] for a feature distance, got {tuple(x.shape)}.")
    return x.expand(-1, 3, -1, -1)


def unit_channels(maps: Tensor) -> Tensor:
    """Maps ``[B, C, …]`` with the channel vector at each position scaled to length 1 (Zhang et al. 2018).

    A vector of zeros stays zeros, and its gradient is 0 where the plain quotient would give NaN.
    """
    return maps / (maps.norm(dim=1, keepdim=True) + 1e-10)
