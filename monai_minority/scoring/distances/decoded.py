"""Distance between what latents stand for."""

from typing import Any

from torch import Tensor, nn

from .distance import Distance, Embedding


class DecodedDistance(Distance):
    """Decodes latents and compares the images.

    A score in latents needs no such distance: any other compares the latents themselves, at the cost of no decoder.

    Args:
        distance: of the images.
        autoencoder: has ``decode``, from latents ``[B, c, h, w]`` to images ``[B, C, H, W]``, as
            :class:`~monai_minority.networks.LatentAutoencoder`.
    """

    def __init__(self, distance: Distance, autoencoder: nn.Module) -> None:
        super().__init__()
        self.distance = distance
        self.autoencoder: Any = autoencoder

    def embed(self, x: Tensor) -> Embedding:
        """What the distance compares of the images that latents ``[B, c, h, w]`` are decoded to."""
        return self.distance.embed(self.autoencoder.decode(x))

    def compare(self, a: Embedding, b: Embedding) -> Tensor:
        """Distances ``[B]`` between embeddings."""
        return self.distance.compare(a, b)
