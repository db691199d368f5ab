"""Fréchet and kernel distance of the same two sets, with intervals that cost little where the sets are small."""

import warnings
from typing import NamedTuple

import numpy as np
import torch

from monai_minority.evaluation.density.neighbours import Features
from monai_minority.evaluation.fidelity.bootstrap import Interval, bootstrap, percentile_interval, resample_counts
from monai_minority.evaluation.fidelity.frechet import frechet_distance
from monai_minority.evaluation.fidelity.kernel_distance import kernel_distance, resampled_kernel_distances

FEW = 1024
"""Of no more images against others the products are kept, which take 8 * 1024 bytes an image of the others."""

SMALL = 512
"""Of no more images on the larger side the singular values are taken themselves, exact to the last digits."""

_NONE = Interval(float("nan"), float("nan"))


class DistanceFigures(NamedTuple):
    """Two distances with their intervals."""

    frechet: float
    frechet_interval: Interval
    kernel: float
    kernel_interval: Interval


UNKNOWN = DistanceFigures(float("nan"), _NONE, float("nan"), _NONE)
"""Of sets too small to have any."""


def distance_figures(
    a: Features, b: Features, *, resamples: int = 100, level: float = 0.95, seed: int = 0
) -> DistanceFigures:
    """Fréchet and kernel distance and how much they vary with the images.

    Both depend on the images through their inner products alone. The kernels are computed once for all resamples, and
    so are the products between a small set and any other; Fréchet distances of two large sets are measured anew for
    each. The mean of the resamples is shifted to the estimate, for repeated images alone enlarge both distances. The
    interval is of the estimate's spread, not of its bias by few images.

    Args:
        a: feature vectors ``[N, D]``, N at least 2.
        b: feature vectors ``[M, D]``, M at least 2.
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
            return DistanceFigures(frechet, _NONE, kernel, _NONE)
        settings = {"resamples": resamples, "level": level, "seed": seed}
        sets = _array(a), _array(b)
        if min(len(a), len(b)) <= FEW:
            rows = (np.arange(len(x)) for x in sets)
            frechets = bootstrap(_Products(a, b), *rows, estimate=frechet, **settings)  # type: ignore[arg-type]
        else:
            frechets = bootstrap(frechet_distance, *sets, estimate=frechet, **settings)  # type: ignore[arg-type]
        counts = resample_counts((len(a), len(b)), resamples, seed)
        kernels = percentile_interval(resampled_kernel_distances(a, b, *counts), level, kernel)
    return DistanceFigures(frechet, frechets, kernel, kernels)


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
        counts = torch.from_numpy(np.bincount(columns, minlength=m)).to(self.many)
        few = self.few[i]
        mean_few, mean_many = few.mean(dim=0), counts @ self.many / m
        spread = (few - mean_few).square().sum() / (n - 1)
        spread += (counts @ self.squares - m * mean_many.square().sum()) / (m - 1)
        products = self.products[i]
        products -= products.mean(dim=0)
        products -= (products @ counts / m)[:, None]
        if m <= SMALL:
            singular = torch.linalg.svdvals(products * counts.sqrt())
        else:
            singular = torch.linalg.eigvalsh((products * counts) @ products.T).clamp(min=0).sqrt()
        overlap = singular.sum() / ((n - 1) * (m - 1)) ** 0.5
        return float(((mean_few - mean_many).square().sum() + spread - 2 * overlap).clamp(min=0))


def _array(features: Features) -> np.ndarray:
    return features.detach().cpu().numpy() if isinstance(features, torch.Tensor) else np.asarray(features)
