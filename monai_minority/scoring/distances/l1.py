"""Mean absolute difference of pixels."""

from torch import Tensor

from .distance import Distance, Embedding


class L1(Distance):
    """Mean absolute difference over channels and pixels, of images of any number of channels."""

    def embed(self, x: Tensor) -> Tensor:
        """The images themselves."""
        return x

    def compare(self, a: Embedding, b: Embedding) -> Tensor:
        """Distances ``[B]`` between images ``[B, C, H, W]``."""
        return (a - b).abs().flatten(1).mean(1)
