"""Cropping, resizing and blurring along one axis as matrices, a matrix an image."""

import torch
from torch import Tensor

CUBIC = -0.5
"""Coefficient of Keys's cubic convolution, the one that antialiased resizing takes in Pillow and PyTorch."""


def crop_matrix(start: Tensor, length: Tensor, full: int, size: int) -> Tensor:
    """Matrices that cut a stretch out of an axis and resize it by antialiased cubic convolution (Keys, 1981).

    For whole pixels they do what cutting and then resizing does; pixels that the stretch only touches count as inside.

    Args:
        start: where the stretch begins, in pixels, ``[...]``.
        length: how long it is, in pixels, ``[...]``.
        full: pixels of the axis.
        size: pixels of the result.

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
    """Matrices that blur an axis by a Gaussian, normalised where it reaches over the edge.

    Args:
        width: standard deviation in pixels ``[...]``; 0 does nothing.
        size: pixels of the axis.

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
