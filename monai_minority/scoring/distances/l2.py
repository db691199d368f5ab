"""Mean squared difference of pixels."""

from torch import Tensor

from .distance import Distance, Embedding


class L2(Distance):
    """Mean squared difference over channels and pixels, of images of any number of channels."""

    def embed(self, x: Tensor) -> Tensor:
        """The images themselves."""
        return x

    def compare(self, a: Embedding, b: Embedding) -> Tensor:
        """Distances ``[B]`` between images ``[B, C, H, W]``."""
        return (a - b).square().flatten(1).mean(1)
