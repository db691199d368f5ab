"""Cropping, resizing and blurring along one axis, as one matrix per image."""

import torch
from torch import Tensor

CUBIC = -0.5
"""Coefficient of Keys's cubic convolution, the same as in the antialiased resizing of Pillow and PyTorch."""


def crop_matrix(start: Tensor, length: Tensor, full: int, size: int) -> Tensor:
    """Matrices that cut an interval out of an axis and resize it by antialiased cubic convolution (Keys, 1981).

    For intervals of whole pixels, the result equals cutting and then resizing. Partly covered pixels count as inside.

    Args:
        start: start of the interval in pixels, ``[...]``.
        length: length of the interval in pixels, ``[...]``.
        full: number of pixels of the axis.
        size: number of pixels of the result.

    Returns:
        ``[..., size, full]``; its rows sum to 1.
    """
    start, length = start[..., None, None], length[..., None, None]
    step = length / size
    pixels = torch.arange(full, device=start.device, dtype=start.dtype) + 0.5
    centres = start + (torch.arange(size, device=start.device, dtype=start.dtype) + 0.5)[:, None] * step
    weights = _cubic((pixels - centres) / step.clamp(min=1))
    inside = (pixels + 0.5 > start) & (pixels - 0.5 < start + length)
    weights = torch.where(inside, weights, 0.0)
    return weights / weights.sum(-1, keepdim=True)


def blur_matrix(width: Tensor, size: int) -> Tensor:
    """Matrices that blur an axis with a Gaussian. At the edges the weights are normalised.

    Args:
        width: standard deviation in pixels ``[...]``; 0 means no blur.
        size: number of pixels of the axis.

    Returns:
        ``[..., size, size]``; its rows sum to 1.
    """
    pixels = torch.arange(size, device=width.device, dtype=width.dtype)
    distances = pixels - pixels[:, None]
    weights = (-0.5 * (distances / width.clamp(min=1e-3)[..., None, None]).square()).exp()
    return weights / weights.sum(-1, keepdim=True)


def _cubic(x: Tensor) -> Tensor:
    x = x.abs()
    near = ((CUBIC + 2) * x - (CUBIC + 3)) * x * x + 1
    far = ((x - 5) * x + 8) * x * CUBIC - 4 * CUBIC
    return torch.where(x < 1, near, torch.where(x < 2, far, 0.0))
