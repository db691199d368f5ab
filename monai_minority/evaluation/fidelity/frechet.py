"""Fréchet distance between Gaussian distributions that are fitted to feature vectors."""

import warnings

import torch
from torch import Tensor

from monai_minority.evaluation.density.neighbours import Features

_ROWS = 2048
"""Number of rows converted to float64 at once, so that memory does not grow with the number of rows."""


def frechet_distance(a: Features, b: Features) -> float:
    """Fréchet distance between two sets of feature vectors, as in clean-fid (Heusel et al., 2017, Eq. 6).

    ``|m_a - m_b|^2 + tr(S_a + S_b - 2 (S_a S_b)^(1/2))`` with unbiased covariances S. For any factor F with
    ``S = F^T F``, the trace of the root is the sum of the singular values of ``F_a F_b^T``. This needs no root of a
    nearly singular product and no offset. With fewer images than dimensions the factor is the matrix of centred
    vectors, so the result is exact for any number of images. It is still biased: the distance is too large with few
    images.

    Args:
        a: feature vectors ``[N, D]``, N at least 2.
        b: feature vectors ``[M, D]``, M at least 2.

    Returns:
        The distance, in squared units of the features; 0 for equal sets.

    Raises:
        ValueError: the shapes do not fit, a set has fewer than two vectors, or values are not finite.

    Warns:
        UserWarning: a set has no more vectors than dimensions, so its covariance is singular and the distance is biased
            upwards.

    Example:
        >>> import numpy as np
        >>> from monai_minority.evaluation.fidelity import frechet_distance
        >>> real = np.random.default_rng(0).standard_normal((100, 2))
        >>> round(frechet_distance(real, real + [3.0, 4.0]), 6)  # the means differ by 5
        25.0
    """
    a, b = _checked(a, "a"), _checked(b, "b")
    if a.shape[1] != b.shape[1]:
        raise ValueError(f"a and b must have the same dimension, got {a.shape[1]} and {b.shape[1]}")
    fewest, dimension = min(len(a), len(b)), a.shape[1]
    if fewest <= dimension:
        warnings.warn(
            f"Fréchet distance from {fewest} images in {dimension} dimensions: the covariance is singular and the "
            "distance is biased upwards; compare only distances with equal N, or use kernel_distance",
            stacklevel=2,
        )
    mean_a, factor_a = _mean_and_factor(a)
    mean_b, factor_b = _mean_and_factor(b)
    overlap = torch.linalg.svdvals(factor_a @ factor_b.T.to(factor_a.device)).sum()
    spread = factor_a.square().sum() + factor_b.square().sum().to(factor_a.device)
    shift = (mean_a - mean_b.to(mean_a.device)).square().sum()
    return float((shift + spread - 2 * overlap).clamp(min=0))


def _checked(features: Features, name: str) -> Tensor:
    vectors = torch.as_tensor(features).detach()
    if vectors.ndim != 2 or len(vectors) < 2:
        raise ValueError(f"{name} must be [N, D] with N at least 2, got {tuple(vectors.shape)}")
    return vectors


def _mean_and_factor(vectors: Tensor) -> tuple[Tensor, Tensor]:
    """Mean ``[D]`` and a factor ``[min(N, D), D]`` whose Gram matrix is the covariance, in float64."""
    mean = vectors.mean(dim=0, dtype=torch.float64)
    if not torch.isfinite(mean).all():
        raise ValueError("features must be finite, got NaN or infinity; remove or repair these images")
    n, d = vectors.shape
    if n <= d:
        return mean, (vectors.double() - mean) / (n - 1) ** 0.5
    covariance = torch.zeros(d, d, dtype=torch.float64, device=vectors.device)
    for part in vectors.split(_ROWS):
        centred = part.double() - mean
        covariance.addmm_(centred.T, centred)
    values, directions = torch.linalg.eigh(covariance / (n - 1))
    # Values below the rounding error are noise, and their roots would be larger by a factor of 1e8.
    noise = values[-1].clamp(min=0) * len(values) * torch.finfo(torch.float64).eps
    return mean, torch.where(values > noise, values, 0).sqrt()[:, None] * directions.T
