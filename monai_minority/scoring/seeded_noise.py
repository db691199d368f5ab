"""Noise of an image from its own seed."""

from collections.abc import Sequence

import torch
from torch import Tensor

from monai_minority.diffusion import SeededNoise

SCORING_STREAM = 0x5C04E5
"""Keeps the score of a sampled image from meeting the very noise that the image grew from."""


def seeded_noise(seeds: Sequence[int] | Tensor, draws: int, shape: Sequence[int]) -> Tensor:
    """Standard normal noise, one generator an image.

    Args:
        seeds: ``[B]`` whole numbers.
        draws: how many an image.
        shape: ``(C, H, W)``.

    Returns:
        ``[draws, B, C, H, W]`` on the CPU, the same on every machine that draws it. The first draws do not
        depend on how many follow.
    """
    noise = SeededNoise([int(seed) ^ SCORING_STREAM for seed in seeds], shape)
    return torch.stack([noise() for _ in range(draws)])
