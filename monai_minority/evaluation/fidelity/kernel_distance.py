"""Kernel distance (KID), which is unbiased and therefore fair to small sets."""

import numpy as np
import torch
from torch import Tensor

from monai_minority.evaluation.density.neighbours import Features

_ROWS = 1024


def kernel_distance(a: Features, b: Features) -> float:
    """Unbiased squared maximum mean discrepancy with the kernel ``(x·y / D + 1)^3`` (Bińkowski et al., 2018, Eq. 4).

    It uses every pair. clean-fid averages over random subsets, which has the same expectation and more variance.

    Args:
        a: feature vectors ``[N, D]``, N at least 2.
        b: feature vectors ``[M, D]``, M at least 2.

    Returns:
        The estimate. Its expectation is 0 for equal distributions, so it can be negative.

    Raises:
        ValueError: the shapes do not fit, or a set has fewer than two vectors.

    Example:
        >>> import numpy as np
        >>> from monai_minority.evaluation.fidelity import kernel_distance
        >>> real, other = np.random.default_rng(0).standard_normal((2, 200, 2))
        >>> round(kernel_distance(real, other), 1), round(kernel_distance(real, other + 1), 1)
        (-0.1, 11.8)
    """
    a, b = torch.as_tensor(a).detach(), torch.as_tensor(b).detach()
    if a.ndim != 2 or b.ndim != 2 or a.shape[1] != b.shape[1] or min(len(a), len(b)) < 2:
        raise ValueError(
            f"a and b must be [N, D] and [M, D] with at least 2 vectors each, got {tuple(a.shape)} and {tuple(b.shape)}"
        )
    once = (torch.ones(1, len(x), dtype=torch.float64, device=x.device) for x in (a, b))
    return float(_distances(a, b, *once))


def resampled_kernel_distances(a: Features, b: Features, counts_a: np.ndarray, counts_b: np.ndarray) -> np.ndarray:
    """Kernel distances of many resamples; each kernel is computed once.

    Args:
        a: feature vectors ``[N, D]``.
        b: feature vectors ``[M, D]``.
        counts_a: number of times that each resample has each vector of ``a``, ``[R, N]``.
        counts_b: number of times that each resample has each vector of ``b``, ``[R, M]``.

    Returns:
        ``[R]``, float64.
    """
    a, b = torch.as_tensor(a).detach(), torch.as_tensor(b).detach()
    u, v = (torch.as_tensor(counts).to(a.device, torch.float64) for counts in (counts_a, counts_b))
    return _distances(a, b, u, v).cpu().numpy()


def _distances(a: Tensor, b: Tensor, u: Tensor, v: Tensor) -> Tensor:
    n, m = u.sum(dim=1), v.sum(dim=1)
    within_a = (_kernel_sums(a, a, u, u) - u @ _diagonal(a)) / (n * (n - 1))
    within_b = (_kernel_sums(b, b, v, v) - v @ _diagonal(b)) / (m * (m - 1))
    return within_a + within_b - 2 * _kernel_sums(a, b, u, v) / (n * m)


def _kernel_sums(a: Tensor, b: Tensor, u: Tensor, v: Tensor) -> Tensor:
    """Sums ``[R]`` of all kernels, weighted by the counts of both vectors; half are computed for a set with itself."""
    sums = torch.zeros(len(u), dtype=torch.float64, device=a.device)
    for i, x in enumerate(a.split(_ROWS)):
        for j, y in enumerate(b.split(_ROWS)):
            if a is b and j < i:
                continue
            kernel = (x.double() @ y.double().T / a.shape[1] + 1).pow_(3)
            part = (u[:, i * _ROWS : i * _ROWS + len(x)] @ kernel * v[:, j * _ROWS : j * _ROWS + len(y)]).sum(dim=1)
            sums += 2 * part if a is b and j > i else part
    return sums


def _diagonal(a: Tensor) -> Tensor:
    return torch.cat([(x.double().square().sum(dim=1) / a.shape[1] + 1).pow_(3) for x in a.split(_ROWS)])
