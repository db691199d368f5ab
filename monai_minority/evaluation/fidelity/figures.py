"""Every fidelity figure of one set of generated images against one set of real ones."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from monai_minority.evaluation.density.neighbours import Features, NeighbourIndex, as_index
from monai_minority.evaluation.density.rarity import rarity
from monai_minority.evaluation.fidelity.bootstrap import Interval, bootstrap
from monai_minority.evaluation.fidelity.distance_figures import distance_figures
from monai_minority.evaluation.figure import Figure

FRECHET = "Fréchet distance (lower is closer)"
KERNEL = "kernel distance (lower is closer)"
CAUTION = "fewer images than dimensions: biased upwards, compare at equal N only"


def fidelity_figures(
    real: Features | NeighbourIndex,
    generated: Features | NeighbourIndex,
    *,
    k: int = 5,
    context: Mapping[str, Any] | None = None,
    resamples: int = 1000,
    distance_resamples: int = 0,
    level: float = 0.95,
    seed: int = 0,
) -> list[Figure]:
    """Fréchet and kernel distance, precision, recall, density, coverage and mean rarity, from one shared
    search.

    Intervals of the shares and means resample the images' own values with the manifolds held fixed. Those of
    the distances (``distance_resamples``) are described at
    :func:`~monai_minority.evaluation.fidelity.distance_figures`.

    Args:
        real: real feature vectors ``[N, D]``, or an index of them with ``ball=k``.
        generated: generated feature vectors ``[M, D]``, or an index of them with ``ball=k``.
        k: neighbour that balls reach to.
        context: what to note beside each figure, such as
            :func:`~monai_minority.evaluation.features.describe`'s answer.
        resamples: bootstrap resamples of the shares and means; 0 leaves their intervals out.
        distance_resamples: bootstrap resamples of the two distances; 0 leaves their intervals out.
        level: of the intervals.
        seed: of the bootstrap.

    Returns:
        The figures, each with its context.

    Raises:
        ValueError: the shapes do not fit, values are not finite, or ``k`` is out of range.
    """
    real, generated = as_index(real, ball=k), as_index(generated, ball=k)
    balls = real.balls(generated, k)
    rarities = np.asarray(rarity(real, generated, k))
    if balls.reached is None:
        raise ValueError(f"generated must be an index with ball={k}, got ball={generated.ball}")
    shared = {
        **(context or {}),
        "N real": len(real),
        "N generated": len(generated),
        "dimension": real.dimension,
        "k": k,
    }

    def note(count: int) -> dict[str, Any]:
        if not count:
            return shared
        return {**shared, "interval": f"{level:.0%}, {count} bootstrap resamples of images", "seed": seed}

    def mean(name: str, values: np.ndarray) -> Figure:
        interval = (
            bootstrap(np.mean, values, resamples=resamples, level=level, seed=seed)
            if resamples and len(values)
            else Interval(np.nan, np.nan)
        )
        value = float(np.mean(values)) if len(values) else float("nan")
        return Figure(name, value, *interval, note(resamples))

    found = distance_figures(real.vectors, generated.vectors, resamples=distance_resamples, level=level, seed=seed)
    few = min(len(real), len(generated)) <= real.dimension
    frechet_note = note(distance_resamples) | ({"caution": CAUTION} if few else {})
    return [
        Figure(FRECHET, found.frechet, *found.frechet_interval, frechet_note),
        Figure(KERNEL, found.kernel, *found.kernel_interval, note(distance_resamples)),
        mean("precision", balls.count > 0),
        mean("recall", balls.reached),
        mean("density", balls.count / k),
        mean("coverage", balls.occupied),
        mean("rarity, mean of valid (valid share is precision)", rarities[np.isfinite(rarities)]),
    ]
