"""Kernel distance (KID): unbiased, hence fair to small sets."""

import numpy as np
import torch
from torch import Tensor

from monai_minority.evaluation.density.neighbours import Features

_ROWS = 1024


def kernel_distance(
    a: Features, b: Features, subset_size: int | None = None, subsets: int = 100, seed: int = 0
) -> float:
    """Unbiased squared maximum mean discrepancy with the kernel ``(x·y / D + 1)^3`` (Bińkowski et al., 2018,
    Eq. 4).

    Args:
        a: feature vectors ``[N, D]``, N at least 2.
        b: feature vectors ``[M, D]``, M at least 2.
        subset_size: ``None`` takes every pair (no randomness, least variance); a number averages over random
            subsets of that size drawn from each set without replacement, as clean-fid does with 1,000.
        subsets: how many subsets.
        seed: of the draw of subsets.

    Returns:
        The estimate; its expectation is 0 for equal distributions, so it can be negative.

    Raises:
        ValueError: shapes do not fit, fewer than two vectors, or ``subset_size`` beyond a set's size.
    """
    a, b = torch.as_tensor(a).detach(), torch.as_tensor(b).detach()
    if a.ndim != 2 or b.ndim != 2 or a.shape[1] != b.shape[1] or min(len(a), len(b)) < 2:
        raise ValueError(
            f"a and b must be [N, D] and [M, D] with at least 2 vectors each, got {tuple(a.shape)} and {tuple(b.shape)}"
        )
    if subset_size is None:
        return _discrepancy(a, b)
    if not 2 <= subset_size <= min(len(a), len(b)):
        raise ValueError(f"subset_size must be in [2, {min(len(a), len(b))}], got {subset_size}")
    rng = np.random.default_rng(seed)
    draws = [
        _discrepancy(
            a[rng.choice(len(a), subset_size, replace=False)],
            b[rng.choice(len(b), subset_size, replace=False)],
        )
        for _ in range(subsets)
    ]
    return float(np.mean(draws))


def _discrepancy(a: Tensor, b: Tensor) -> float:
    n, m = len(a), len(b)
    within_a = (_kernel_sum(a, a) - _diagonal_sum(a)) / (n * (n - 1))
    within_b = (_kernel_sum(b, b) - _diagonal_sum(b)) / (m * (m - 1))
    return float(within_a + within_b - 2 * _kernel_sum(a, b) / (n * m))


def _kernel_sum(a: Tensor, b: Tensor) -> float:
    return sum(
        float((x.double() @ y.double().T / a.shape[1] + 1).pow_(3).sum())
        for x in a.split(_ROWS)
        for y in b.split(_ROWS)
    )


def _diagonal_sum(a: Tensor) -> float:
    return sum(float((x.double().square().sum(dim=1) / a.shape[1] + 1).pow_(3).sum()) for x in a.split(_ROWS))
