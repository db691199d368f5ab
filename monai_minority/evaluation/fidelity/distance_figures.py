"""Fréchet and kernel distance of the same two sets, with intervals that cost little where the sets are small."""

import warnings
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch

from monai_minority.evaluation.density.neighbours import Features
from monai_minority.evaluation.fidelity.frechet import frechet_distance
from monai_minority.evaluation.fidelity.kernel_distance import kernel_distance, resampled_kernel_distances
from monai_minority.evaluation.intervals import UNKNOWN_INTERVAL, Interval, percentile_interval, resample_counts

FEW = 1024
"""Of no more images against others the products are kept, which take 8 * 1024 bytes an image of the others."""

SMALL = 512
"""Of no more images on the larger side the singular values are taken themselves, exact to the last digits."""


class DistanceFigures(NamedTuple):
    """Two distances with their intervals."""

    frechet: float
    frechet_interval: Interval
    kernel: float
    kernel_interval: Interval


UNKNOWN = DistanceFigures(float("nan"), UNKNOWN_INTERVAL, float("nan"), UNKNOWN_INTERVAL)
"""Of sets too small to have any."""


def distance_figures(
    a: Features,
    b: Features,
    *,
    a_clusters: np.ndarray | None = None,
    b_clusters: np.ndarray | None = None,
    resamples: int = 100,
    level: float = 0.95,
    seed: int = 0,
) -> DistanceFigures:
    """Fréchet and kernel distance and how much they vary with the images, or with the subjects they are of.

    Both depend on the images through their inner products alone. The kernels are computed once for all resamples, and
    so are the products between a small set and any other; Fréchet distances of two large sets are measured anew for
    each. The mean of the resamples is shifted to the estimate, for repeated images alone enlarge both distances. The
    interval is of the estimate's spread, not of its bias by few images.

    Args:
        a: feature vectors ``[N, D]``, N at least 2.
        b: feature vectors ``[M, D]``, M at least 2.
        a_clusters: subject or seed of each vector of ``a`` ``[N]``; ``None``: all are independent.
        b_clusters: the same of ``b`` ``[M]``.
        resamples: of the bootstrap; 0 leaves the intervals out (NaN).
        level: of the intervals.
        seed: of the bootstrap.

    Raises:
        ValueError: see :func:`~monai_minority.evaluation.fidelity.frechet_distance`.
    """
    with warnings.catch_warnings():
        # Whoever asks for figures is told beside them; once a resample would be a flood.
        warnings.simplefilter("ignore", UserWarning)
        frechet, kernel = frechet_distance(a, b), kernel_distance(a, b)
        if not resamples:
            return DistanceFigures(frechet, UNKNOWN_INTERVAL, kernel, UNKNOWN_INTERVAL)
        clusters = [np.arange(len(x)) if labels is None else labels for x, labels in ((a, a_clusters), (b, b_clusters))]
        counts = resample_counts(clusters, resamples, seed)
        drawn = [[np.arange(len(row)).repeat(row.astype(int)) for row in rows] for rows in counts]
        measure = _Products(a, b) if min(len(a), len(b)) <= FEW else _chosen(a, b)
        frechets = np.array([measure(*rows) for rows in zip(*drawn, strict=True)])
        kernels = resampled_kernel_distances(a, b, *counts)
    return DistanceFigures(
        frechet,
        percentile_interval(frechets, level, frechet, clusters),
        kernel,
        percentile_interval(kernels, level, kernel, clusters),
    )


def _chosen(a: Features, b: Features) -> Callable[[np.ndarray, np.ndarray], float]:
    """Fréchet distance of chosen rows of two large sets."""
    left, right = _array(a), _array(b)
    return lambda rows, columns: frechet_distance(left[rows], right[columns])


class _Products:
    """Fréchet distance of chosen rows of two sets, of which one is small, from the products between them.

    Of many images the singular values come from the eigenvalues of their squares, which rounds them at 1e-8 of the
    largest: enough for an interval.
    """

    def __init__(self, a: Features, b: Features) -> None:
        self.swapped = len(a) > len(b)
        few, many = (torch.as_tensor(x).detach().double() for x in ((b, a) if self.swapped else (a, b)))
        centre = many.mean(dim=0)
        self.few, self.many = few - centre, many - centre
        self.products = self.few @ self.many.T
        self.squares = self.many.square().sum(dim=1)

    def __call__(self, rows: np.ndarray, columns: np.ndarray) -> float:
        if self.swapped:
            rows, columns = columns, rows
        n, m = len(rows), len(columns)
        i = torch.from_numpy(rows).to(self.many.device)
        counts = torch.from_numpy(np.bincount(columns, minlength=len(self.many))).to(self.many)
        few = self.few[i]
        mean_few, mean_many = few.mean(dim=0), counts @ self.many / m
        spread = (few - mean_few).square().sum() / (n - 1)
        spread += (counts @ self.squares - m * mean_many.square().sum()) / (m - 1)
        products = self.products[i]
        products -= products.mean(dim=0)
        products -= (products @ counts / m)[:, None]
        if len(self.many) <= SMALL:
            singular = torch.linalg.svdvals(products * counts.sqrt())
        else:
            singular = torch.linalg.eigvalsh((products * counts) @ products.T).clamp(min=0).sqrt()
        overlap = singular.sum() / ((n - 1) * (m - 1)) ** 0.5
        return float(((mean_few - mean_many).square().sum() + spread - 2 * overlap).clamp(min=0))


def _array(features: Features) -> np.ndarray:
    return features.detach().cpu().numpy() if isinstance(features, torch.Tensor) else np.asarray(features)
