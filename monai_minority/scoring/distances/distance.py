"""The base class of distances between images, distances between pixels, and distances between decoded latents."""

from abc import ABC, abstractmethod
from typing import Any, TypeAlias

from torch import Tensor, nn
from torch.nn.functional import cosine_similarity

from monai_minority.shown import Shown

Embedding: TypeAlias = Any
"""Input of a comparison: one tensor ``[B, …]`` or a list of feature maps ``[B, C, h, w]``."""


class Distance(Shown, nn.Module, ABC):
    """A distance between images in two steps, so that an image that is compared many times is embedded once.

    Both steps are differentiable. A subclass implements :meth:`embed` and :meth:`compare`.

    Example:
        >>> import torch
        >>> from monai_minority.scoring import Distance
        >>> class Brightness(Distance):
        ...     def embed(self, x):
        ...         return x.mean((1, 2, 3))
        ...     def compare(self, a, b):
        ...         return (a - b).abs()
        >>> Brightness()(torch.zeros(2, 1, 8, 8), torch.full((2, 1, 8, 8), 0.5))
        tensor([0.5000, 0.5000])
    """

    @abstractmethod
    def embed(self, x: Tensor) -> Embedding:
        """Embedding of images ``[B, 1 or 3, H, W]`` in [-1, 1], with the batch first in each tensor."""

    @abstractmethod
    def compare(self, a: Embedding, b: Embedding) -> Tensor:
        """Distances ``[B]``, at least 0, between two embeddings."""

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        """Distances ``[B]`` between images ``[B, 1 or 3, H, W]`` in [-1, 1]."""
        return self.compare(self.embed(x), self.embed(y))


class PixelDistance(Distance):
    """A distance between the pixels of images with any number of channels."""

    def embed(self, x: Tensor) -> Tensor:
        """The images themselves."""
        return x


class L1(PixelDistance):
    """Mean absolute difference over channels and pixels, for images with any number of channels.

    Example:
        >>> import torch
        >>> from monai_minority.scoring import L1
        >>> L1()(torch.zeros(2, 1, 8, 8), torch.full((2, 1, 8, 8), 0.5))
        tensor([0.5000, 0.5000])
    """

    def compare(self, a: Embedding, b: Embedding) -> Tensor:
        """Distances ``[B]`` between images ``[B, C, H, W]``."""
        return (a - b).abs().flatten(1).mean(1)


class L2(PixelDistance):
    """Mean squared difference over channels and pixels, for images with any number of channels.

    Example:
        >>> import torch
        >>> from monai_minority.scoring import L2
        >>> L2()(torch.zeros(2, 1, 8, 8), torch.full((2, 1, 8, 8), 0.5))
        tensor([0.2500, 0.2500])
    """

    def compare(self, a: Embedding, b: Embedding) -> Tensor:
        """Distances ``[B]`` between images ``[B, C, H, W]``."""
        return (a - b).square().flatten(1).mean(1)


class Correlation(PixelDistance):
    """One minus Pearson's correlation of channels and pixels, 0 to 2; brightness and contrast of an image do not count.

    Squared differences are larger in bright images of much contrast, however well these are restored. The correlation
    with an image of a single value is 0.

    Example:
        >>> import torch
        >>> from monai_minority.scoring import Correlation
        >>> image = torch.tensor([[[[0.0, 0.1], [0.2, 0.3]]]])
        >>> Correlation()(image, 2 * image - 0.5).allclose(torch.zeros(1), atol=1e-6)
        True
        >>> Correlation()(image, image.flip(3))
        tensor([0.4000])
    """

    def compare(self, a: Embedding, b: Embedding) -> Tensor:
        """Distances ``[B]`` between images ``[B, C, H, W]``."""
        first, second = (x.flatten(1) - x.flatten(1).mean(1, keepdim=True) for x in (a, b))
        return 1 - cosine_similarity(first, second, dim=1)


class DecodedDistance(Distance):
    """Decodes latents and compares the images.

    A score of latents does not need it: every other distance compares the latents themselves, without the cost of a
    decoder.

    Args:
        distance: distance between the decoded images.
        autoencoder: module with ``decode``, from latents ``[B, c, h, w]`` to images ``[B, C, H, W]``, such as
            :class:`~monai_minority.networks.LatentAutoencoder`.

    Example:
        >>> import torch
        >>> from monai_minority.scoring import L1, DecodedDistance
        >>> class Twice(torch.nn.Module):
        ...     def decode(self, latents):
        ...         return 2 * latents
        >>> DecodedDistance(L1(), Twice())(torch.zeros(2, 1, 4, 4), torch.full((2, 1, 4, 4), 0.25))
        tensor([0.5000, 0.5000])
    """

    def __init__(self, distance: Distance, autoencoder: nn.Module) -> None:
        super().__init__()
        self.distance = distance
        self.autoencoder: Any = autoencoder

    def embed(self, x: Tensor) -> Embedding:
        """Embedding of the images that latents ``[B, c, h, w]`` decode to."""
        return self.distance.embed(self.autoencoder.decode(x))

    def compare(self, a: Embedding, b: Embedding) -> Tensor:
        """Distances ``[B]`` between embeddings."""
        return self.distance.compare(a, b)


def as_rgb(x: Tensor) -> Tensor:
    """Images ``[B, 1 or 3, H, W]`` with three channels; a grey image is repeated.

    Raises:
        ValueError: the images have another number of channels.
    """
    if x.ndim != 4 or x.shape[1] not in (1, 3):
        raise ValueError(f"images must be [B, 1 or 3, H, W] for a feature distance, got {tuple(x.shape)}.")
    return x.expand(-1, 3, -1, -1)


def unit_channels(maps: Tensor) -> Tensor:
    """Maps ``[B, C, …]`` with the channel vector at each position scaled to length 1 (Zhang et al. 2018).

    A vector of zeros stays zero and has a gradient of 0; the plain quotient would give NaN.
    """
    return maps / (maps.norm(dim=1, keepdim=True) + 1e-10)
