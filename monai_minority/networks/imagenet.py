"""What networks trained on ImageNet expect of an image."""

from collections.abc import Sequence

import torch
from torch import Tensor

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


def normalise(x: Tensor, mean: Sequence[float] = IMAGENET_MEAN, std: Sequence[float] = IMAGENET_STD) -> Tensor:
    """Three channels, each less its mean and over its standard deviation on the scale of [0, 1].

    Args:
        x: images ``[B, 1 or 3, H, W]`` in [-1, 1].
        mean: of each channel.
        std: of each channel.

    Returns:
        ``[B, 3, H, W]``.

    Raises:
        ValueError: the images have another shape.
    """
    if x.ndim != 4 or x.shape[1] not in (1, 3):
        raise ValueError(f"images must be [B, 1 or 3, H, W] in [-1, 1], got shape {tuple(x.shape)}")
    centre, spread = (torch.tensor(tuple(values)).to(x).view(1, -1, 1, 1) for values in (mean, std))
    return (((x + 1) / 2).expand(-1, 3, -1, -1) - centre) / spread
