"""Density and fidelity beside PyOD and beside sorted distance matrices.

Rows of ``scripts/benchmark``; and at full size, with memory and the largest differences, by itself:
``python scripts/benchmarks/density.py [--real 10000] [--generated 10000] [--dimension 2048]``
"""

import argparse
import json
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from pyod.models.knn import KNN
from pyod.models.lof import LOF

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from benchmarks.comparison import Comparison

from monai_minority.evaluation.density import NeighbourIndex, average_knn, local_outlier_factor, rarity
from monai_minority.evaluation.fidelity import precision_recall


def features(real: int, generated: int, dimension: int) -> tuple[np.ndarray, np.ndarray]:
    """Seeded features with the look of real ones: 64 strong directions and noise in all, generated ones tighter."""
    rng = np.random.default_rng(0)
    mixing = rng.standard_normal((64, dimension)).astype(np.float32)

    def draw(count: int, scale: float) -> np.ndarray:
        strong = rng.standard_normal((count, 64)).astype(np.float32) @ mixing * np.float32(scale)
        return strong + rng.standard_normal((count, dimension)).astype(np.float32)

    return draw(real, 1.0), draw(generated, 0.9)


def densities(a: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, ...]:
    """AvgkNN and LOF of real and generated vectors, from one search."""
    index = NeighbourIndex(a, k=20, ball=0)
    return average_knn(index), average_knn(index, b), local_outlier_factor(index), local_outlier_factor(index, b)


def manifolds(a: np.ndarray, b: np.ndarray) -> tuple:
    """Rarity, precision and recall of generated vectors, from one search."""
    index, queries = NeighbourIndex(a, k=0, ball=5), NeighbourIndex(b, k=0, ball=5)
    return rarity(index, queries), *precision_recall(index, queries, k=5)


def compare_densities(count: int, dimension: int) -> list[Comparison]:
    """Rows for ``count`` real and as many generated vectors."""
    a, b = features(count, count, dimension)
    data = f"{count} + {count} x {dimension}"
    ways = (
        ("AvgkNN and LOF", "PyOD's KNN and LOF", densities, pyod),
        ("rarity, precision, recall", "three whole distance matrices, sorted", manifolds, sorted_matrices),
        ("rarity, precision, recall", "whole float64 matrices, each measure its own, sorted", manifolds, own_matrices),
    )
    return [
        Comparison(
            f"evaluation, {name}", data, way, lambda f=ours: f(a, b), 2 * count, lambda f=plain: f(a, b), 2 * count
        )
        for name, way, ours, plain in ways
    ]


def run(real: int = 10_000, generated: int = 10_000, dimension: int = 2048, baselines: bool = True) -> dict:
    """Time every density measure and precision and recall once.

    Args:
        real: number of real vectors.
        generated: number of generated vectors.
        dimension: length of the vectors.
        baselines: whether to run PyOD and the sorted matrices too (they need memory of N squared).

    Returns:
        Processor seconds by method, peak memory of our part in GiB, ratios, and the largest differences.
    """
    a, b = features(real, generated, dimension)
    times: dict[str, float] = {}
    ours = _timed(times, "AvgkNN and LOF", lambda: densities(a, b))
    ours_manifolds = _timed(times, "rarity, precision and recall", lambda: manifolds(a, b))
    result = {
        "sizes": [real, generated, dimension],
        "threads": torch.get_num_threads(),
        "processor seconds": times,
        "peak GiB": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20,
    }
    if baselines:
        theirs = _timed(times, "PyOD KNN and LOF", lambda: pyod(a, b))
        theirs_manifolds = _timed(times, "three sorted matrices", lambda: sorted_matrices(a, b))
        _timed(times, "each measure's own sorted float64 matrices", lambda: own_matrices(a, b))
        x, y = torch.from_numpy(a), torch.from_numpy(b)
        _timed(times, "the two products that no exact way saves", lambda: (x @ y.T, x @ y.T))
        ours_took = times["rarity, precision and recall"]
        result["ratio to PyOD"] = times["PyOD KNN and LOF"] / times["AvgkNN and LOF"]
        result["ratio to three sorted matrices"] = times["three sorted matrices"] / ours_took
        result["ratio to each measure's own"] = times["each measure's own sorted float64 matrices"] / ours_took
        result["largest difference to PyOD"] = [float(np.abs(x - y).max()) for x, y in zip(ours, theirs, strict=True)]
        valid = np.isfinite(ours_manifolds[0]) & np.isfinite(theirs_manifolds[0])
        result["largest difference to sorted matrices"] = [
            float(np.abs(ours_manifolds[0] - theirs_manifolds[0])[valid].max(initial=0)),
            *(abs(float(x) - float(y)) for x, y in zip(ours_manifolds[1:], theirs_manifolds[1:], strict=True)),
        ]
    return result


def _timed(times: dict[str, float], name: str, function: Callable):
    # Processor time: other work on the machine leaves it alone.
    start = time.process_time()
    result = function()
    times[name] = time.process_time() - start
    return result


def pyod(a: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, ...]:
    """AvgkNN and LOF by PyOD."""
    jobs = torch.get_num_threads()
    knn = KNN(method="mean", n_neighbors=5, n_jobs=jobs).fit(a)
    lof = LOF(n_neighbors=20, n_jobs=jobs).fit(a)
    return knn.decision_scores_, knn.decision_function(b), lof.decision_scores_, lof.decision_function(b)


def sorted_matrices(a: np.ndarray, b: np.ndarray, k: int = 5) -> tuple:
    """The definitions spelled out, work shared by hand: three full float32 matrices, sorted."""
    x, y = torch.from_numpy(a), torch.from_numpy(b)
    cross, real_radii, generated_radii = torch.cdist(x, y), _sorted_radii(x, k), _sorted_radii(y, k)
    inside = cross <= real_radii[:, None]
    return (
        _smallest(inside, real_radii),
        inside.any(dim=0).float().mean(),
        (cross <= generated_radii).any(dim=1).float().mean(),
    )


def own_matrices(a: np.ndarray, b: np.ndarray, k: int = 5) -> tuple:
    """The definitions as published code follows them: float64, and each measure from matrices of its own."""
    x, y = torch.from_numpy(a).double(), torch.from_numpy(b).double()
    radii = _sorted_radii(x, k)
    scores = _smallest(torch.cdist(x, y) <= radii[:, None], radii)
    shares = [
        (torch.cdist(of, against) <= _sorted_radii(of, k)[:, None]).any(dim=0).float().mean()
        for of, against in ((x, y), (y, x))
    ]
    return scores, *shares


def _sorted_radii(x: torch.Tensor, k: int) -> torch.Tensor:
    return torch.cdist(x, x).sort(dim=1).values[:, k]


def _smallest(inside: torch.Tensor, radii: torch.Tensor) -> np.ndarray:
    smallest = torch.where(inside, radii[:, None], torch.inf).sort(dim=0).values[0]
    return torch.where(torch.isinf(smallest), torch.nan, smallest).numpy()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--real", type=int, default=10_000)
    parser.add_argument("--generated", type=int, default=10_000)
    parser.add_argument("--dimension", type=int, default=2048)
    parser.add_argument("--no-baselines", action="store_true", help="time our part alone")
    options = parser.parse_args()
    print(json.dumps(run(options.real, options.generated, options.dimension, not options.no_baselines), indent=2))
