"""Fréchet and kernel distance of the same two sets, with intervals that cost little where the sets are small."""

import warnings
from typing import NamedTuple

import numpy as np
import torch

from monai_minority.evaluation.density.neighbours import Features
from monai_minority.evaluation.fidelity.bootstrap import Interval, bootstrap
from monai_minority.evaluation.fidelity.frechet import frechet_distance
from monai_minority.evaluation.fidelity.kernel_distance import kernel_distance

SMALL = 4096
"""Sets of no more images together are resampled by their products, which take 8 * 4096^2 bytes."""

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
    Larger sets are measured anew for each resample. The mean of the resamples is shifted to the estimate, for repeated
    images alone enlarge both distances. The interval is of the estimate's spread, not of its bias by few images.

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
            frechets = bootstrap(frechet_distance, *sets, estimate=frechet, **settings)  # type: ignore[arg-type]
            kernels = bootstrap(kernel_distance, *sets, estimate=kernel, **settings)  # type: ignore[arg-type]
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
