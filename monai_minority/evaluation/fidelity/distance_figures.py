"""Fréchet and kernel distance of the same two sets, with intervals that cost little where the sets are small."""

import warnings
from typing import NamedTuple

import numpy as np
import torch

from monai_minority.evaluation.density.neighbours import Features
from monai_minority.evaluation.fidelity.bootstrap import (
    Interval,
    bootstrap,
    percentile_interval,
    resample_counts,
)
from monai_minority.evaluation.fidelity.frechet import frechet_distance
from monai_minority.evaluation.fidelity.kernel_distance import kernel_distance, resampled_kernel_distances

SMALL = 1024
"""Sets of no more images together are resampled by their products, which are exact to the last digits."""

FEW = 1024
"""Of no more images against many the products are kept, which take 8 * 1024 bytes an image of the many."""

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

    Both depend on the images through their inner products alone. These are computed once, and a resample takes its rows
    and columns of them: of two hundred images against a hundred that is a thousand times as fast as the distances anew.
    Of larger sets the kernels are computed once for all resamples, and of a small set against a large one the products
    between them; Fréchet distances of two large sets are measured anew for each. The mean of the resamples is shifted
    to the estimate, for repeated images alone enlarge both distances. The interval is of the estimate's spread, not of
    its bias by few images.

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
        if len(a) + len(b) <= SMALL:
            products = _Products(a, b)
            rows = np.arange(len(a)), np.arange(len(b))
            frechets = bootstrap(products.frechet, *rows, estimate=frechet, **settings)  # type: ignore[arg-type]
            kernels = bootstrap(products.kernel, *rows, estimate=kernel, **settings)  # type: ignore[arg-type]
        else:
            sets = _array(a), _array(b)
            if min(len(a), len(b)) <= FEW:
                indices = (np.arange(len(x)) for x in sets)
                frechets = bootstrap(_FewAndMany(a, b), *indices, estimate=frechet, **settings)  # type: ignore[arg-type]
            else:
                frechets = bootstrap(frechet_distance, *sets, estimate=frechet, **settings)  # type: ignore[arg-type]
            counts = resample_counts((len(sets[0]), len(sets[1])), resamples, seed)
            kernels = percentile_interval(resampled_kernel_distances(a, b, *counts), level, kernel)
    return DistanceFigures(frechet, frechets, kernel, kernels)


class _Products:
    """Both distances of chosen rows, from inner products of all rows in float64."""

    def __init__(self, a: Features, b: Features) -> None:
        both = torch.cat([torch.as_tensor(a).detach().double(), torch.as_tensor(b).detach().double()])
        kernel = (both @ both.T / both.shape[1] + 1) ** 3
        # Distances of Gaussians do not change with the origin, and products about the middle keep their digits.
        both = both - both.mean(dim=0)
        self.kernels, self.products = _Blocks.of(kernel, len(a)), _Blocks.of(both @ both.T, len(a))

    def frechet(self, rows: np.ndarray, columns: np.ndarray) -> float:
        aa, ab, bb = self.products.take(rows, columns)
        n, m = ab.shape
        mean_a, mean_b, mean = aa.mean(), bb.mean(), ab.mean()
        spread = (aa.trace() - n * mean_a) / (n - 1) + (bb.trace() - m * mean_b) / (m - 1)
        centred = ab - ab.mean(dim=0) - ab.mean(dim=1, keepdim=True) + mean
        overlap = torch.linalg.svdvals(centred).sum() / ((n - 1) * (m - 1)) ** 0.5
        return float((mean_a - 2 * mean + mean_b + spread - 2 * overlap).clamp(min=0))

    def kernel(self, rows: np.ndarray, columns: np.ndarray) -> float:
        aa, ab, bb = self.kernels.take(rows, columns)
        within = [(k.sum() - k.trace()) / (len(k) * (len(k) - 1)) for k in (aa, bb)]
        return float(within[0] + within[1] - 2 * ab.mean())


class _FewAndMany:
    """Fréchet distance of chosen rows of two sets, of which one is small, from the products between them.

    The singular values come from eigenvalues of their squares, which rounds them at 1e-8 of the largest: enough for an
    interval.
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
        squared = torch.linalg.eigvalsh((products * counts) @ products.T)
        overlap = squared.clamp(min=0).sqrt().sum() / ((n - 1) * (m - 1)) ** 0.5
        return float(((mean_few - mean_many).square().sum() + spread - 2 * overlap).clamp(min=0))


class _Blocks(NamedTuple):
    """Of a symmetric matrix over two sets: each set with itself, and the one with the other."""

    aa: torch.Tensor
    ab: torch.Tensor
    bb: torch.Tensor

    @classmethod
    def of(cls, matrix: torch.Tensor, n: int) -> "_Blocks":
        return cls(matrix[:n, :n], matrix[:n, n:], matrix[n:, n:])

    def take(self, rows: np.ndarray, columns: np.ndarray) -> "_Blocks":
        i, j = torch.from_numpy(rows).to(self.ab.device), torch.from_numpy(columns).to(self.ab.device)
        return _Blocks(self.aa[i[:, None], i], self.ab[i[:, None], j], self.bb[j[:, None], j])


def _array(features: Features) -> np.ndarray:
    return features.detach().cpu().numpy() if isinstance(features, torch.Tensor) else np.asarray(features)
