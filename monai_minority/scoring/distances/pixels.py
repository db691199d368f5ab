"""Differences of pixels."""

from torch import Tensor

from .distance import Distance, Embedding


class PixelDistance(Distance):
    """Compares the images themselves, of any number of channels."""

    def embed(self, x: Tensor) -> Tensor:
        """The images themselves."""
        return x


class L1(PixelDistance):
    """Mean absolute difference over channels and pixels, of images of any number of channels."""

    def compare(self, a: Embedding, b: Embedding) -> Tensor:
        """Distances ``[B]`` between images ``[B, C, H, W]``."""
        return (a - b).abs().flatten(1).mean(1)


class L2(PixelDistance):
    """Mean squared difference over channels and pixels, of images of any number of channels."""

    def compare(self, a: Embedding, b: Embedding) -> Tensor:
        """Distances ``[B]`` between images ``[B, C, H, W]``."""
        return (a - b).square().flatten(1).mean(1)
