"""Fréchet and kernel distance between two sets, with intervals that cost little for small sets."""

import warnings
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch

from monai_minority.evaluation.density.vectors import Features, as_array
from monai_minority.evaluation.fidelity.frechet import frechet_distance
from monai_minority.evaluation.fidelity.kernel_distance import kernel_distance, resampled_kernel_distances
from monai_minority.evaluation.intervals import UNKNOWN_INTERVAL, Interval, percentile_interval, resample_counts
from monai_minority.side_by_side import side_by_side

FEW = 1024
"""Largest smaller set whose products with the other set are kept; they take 8 * 1024 bytes for each other image."""

SMALL = 512
"""Largest larger set for which singular values are computed directly, without loss of digits."""


class DistanceFigures(NamedTuple):
    """Two distances with their intervals.

    Example:
        >>> from monai_minority.evaluation.fidelity import UNKNOWN
        >>> UNKNOWN.frechet, UNKNOWN.frechet_interval.low
        (nan, nan)
    """

    frechet: float
    frechet_interval: Interval
    kernel: float
    kernel_interval: Interval


UNKNOWN = DistanceFigures(float("nan"), UNKNOWN_INTERVAL, float("nan"), UNKNOWN_INTERVAL)
"""Distances of sets that are too small to have any."""


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
    """Fréchet and kernel distance, with intervals over the images or over their subjects.

    Both distances depend on inner products of the images only. The kernels are computed once for all resamples, and so
    are the products between a small set and another set. The Fréchet distance between two large sets is computed for
    each resample. Repeated images enlarge both distances, so the mean of the resamples is shifted to the estimate. The
    interval describes the spread of the estimate, not its bias with few images.

    Args:
        a: feature vectors ``[N, D]``, N at least 2.
        b: feature vectors ``[M, D]``, M at least 2.
        a_clusters: subject or seed of each vector of ``a`` ``[N]``; ``None`` treats all as independent.
        b_clusters: subject or seed of each vector of ``b`` ``[M]``; ``None`` treats all as independent.
        resamples: number of bootstrap resamples; 0 leaves the intervals out (NaN).
        level: confidence level of the intervals, in (0, 1).
        seed: seed of the bootstrap.

    Raises:
        ValueError: see :func:`~monai_minority.evaluation.fidelity.frechet_distance`.

    Example:
        >>> import numpy as np
        >>> from monai_minority.evaluation.fidelity import distance_figures
        >>> real, generated = np.random.default_rng(0).standard_normal((2, 40, 3))
        >>> found = distance_figures(real, generated + [1.0, 0.0, 0.0], resamples=50)  # the means differ by 1
        >>> found.frechet_interval.low < found.frechet < found.frechet_interval.high
        True
    """
    with warnings.catch_warnings():
        # The context of the figures has this warning; it must not appear for each resample.
        warnings.simplefilter("ignore", UserWarning)
        frechet, kernel = frechet_distance(a, b), kernel_distance(a, b)
        if not resamples:
            return DistanceFigures(frechet, UNKNOWN_INTERVAL, kernel, UNKNOWN_INTERVAL)
        clusters = [np.arange(len(x)) if labels is None else labels for x, labels in ((a, a_clusters), (b, b_clusters))]
        counts = resample_counts(clusters, resamples, seed)
        measure = _Products(a, b) if min(len(a), len(b)) <= FEW else _chosen(a, b)
        frechets = np.array([*side_by_side(lambda drawn: measure(*drawn), [*zip(*counts, strict=True)])])
        kernels = resampled_kernel_distances(a, b, *counts)
    return DistanceFigures(
        frechet,
        percentile_interval(frechets, level, frechet, clusters),
        kernel,
        percentile_interval(kernels, level, kernel, clusters),
    )


def _chosen(a: Features, b: Features) -> Callable[[np.ndarray, np.ndarray], float]:
    """Fréchet distance between two large sets of which each row counts so many times."""

    def drawn(features: Features, counts: np.ndarray) -> np.ndarray:
        return as_array(features)[np.arange(len(counts)).repeat(counts.astype(int))]

    return lambda rows, columns: frechet_distance(drawn(a, rows), drawn(b, columns))


class _Products:
    """Fréchet distance between two sets, one of them small, each of whose rows counts so many times.

    All comes from the products between the sets. A row that counts several times is one row of that weight, and one
    that does not count is left out. For many images, singular values are square roots of eigenvalues. Their rounding
    error is 1e-8 of the largest, which is small enough for an interval.
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
        n, m = rows.sum(), columns.sum()
        taken = [torch.from_numpy(counts.nonzero()[0]).to(self.many.device) for counts in (rows, columns)]
        weights, counts = (torch.from_numpy(part[part > 0]).to(self.many) for part in (rows, columns))
        few, many = self.few[taken[0]], self.many[taken[1]]
        mean_few, mean_many = weights @ few / n, counts @ many / m
        spread = weights @ (few - mean_few).square().sum(dim=1) / (n - 1)
        spread += (counts @ self.squares[taken[1]] - m * mean_many.square().sum()) / (m - 1)
        products = self.products[taken[0]][:, taken[1]]
        products -= weights @ products / n
        products -= (products @ counts / m)[:, None]
        products *= weights.sqrt()[:, None]
        if len(self.many) <= SMALL:
            singular = torch.linalg.svdvals(products * counts.sqrt())
        else:
            singular = torch.linalg.eigvalsh((products * counts) @ products.T).clamp(min=0).sqrt()
        overlap = singular.sum() / ((n - 1) * (m - 1)) ** 0.5
        return float(((mean_few - mean_many).square().sum() + spread - 2 * overlap).clamp(min=0))
