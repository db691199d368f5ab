"""Normalisation of images for networks that were trained on ImageNet."""

from collections.abc import Sequence

import torch
from torch import Tensor

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


def normalise(x: Tensor, mean: Sequence[float] = IMAGENET_MEAN, std: Sequence[float] = IMAGENET_STD) -> Tensor:
    """Normalise images to three channels: ``((x + 1) / 2 - mean) / std`` per channel.

    Args:
        x: images ``[B, 1 or 3, H, W]`` in [-1, 1].
        mean: mean per channel, for pixels in [0, 1].
        std: standard deviation per channel, for pixels in [0, 1].

    Returns:
        ``[B, 3, H, W]``.

    Raises:
        ValueError: if the images have another shape.

    Example:
        >>> import torch
        >>> from monai_minority.networks.imagenet import normalise
        >>> normalise(torch.ones(1, 1, 1, 1), mean=(0.5, 0.5, 0.5), std=(0.5, 0.25, 0.125)).flatten().tolist()
        [1.0, 2.0, 4.0]
    """
    if x.ndim != 4 or x.shape[1] not in (1, 3):
        raise ValueError(f"images must be [B, 1 or 3, H, W] in [-1, 1], got shape {tuple(x.shape)}")
    centre, spread = (torch.tensor(tuple(values)).to(x).view(1, -1, 1, 1) for values in (mean, std))
    return (((x + 1) / 2).expand(-1, 3, -1, -1) - centre) / spread
