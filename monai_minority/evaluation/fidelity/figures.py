"""All fidelity figures of a set of generated images against a set of real images."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from monai_minority.evaluation.density.measures import rarity
from monai_minority.evaluation.density.neighbours import Features, NeighbourIndex, as_index
from monai_minority.evaluation.fidelity.distance_figures import distance_figures
from monai_minority.evaluation.figure import Figure
from monai_minority.evaluation.intervals import UNKNOWN_INTERVAL, bootstrap, wilson
from monai_minority.evaluation.weighted_statistics import weighted_mean

FRECHET = "Fréchet distance (lower is closer)"
KERNEL = "kernel distance (lower is closer)"
CAUTION = "fewer images than dimensions: biased upwards, compare at equal N only"


def fidelity_figures(
    real: Features | NeighbourIndex,
    generated: Features | NeighbourIndex,
    *,
    k: int = 5,
    real_clusters: np.ndarray | None = None,
    generated_clusters: np.ndarray | None = None,
    context: Mapping[str, Any] | None = None,
    resamples: int = 1000,
    distance_resamples: int = 0,
    seed: int = 0,
) -> list[Figure]:
    """Fréchet and kernel distance, precision, recall, density, coverage and mean rarity, from one shared search.

    The 95 % intervals of shares (precision, recall, coverage) are Wilson's. Those of means resample the values of the
    images. Both treat the manifolds as fixed. For the intervals of the distances, see
    :func:`~monai_minority.evaluation.fidelity.distance_figures`.

    Args:
        real: real feature vectors ``[N, D]``, or an index of them with ``ball=k``.
        generated: generated feature vectors ``[M, D]``, or an index of them with ``ball=k``.
        k: neighbour that balls extend to.
        real_clusters: subject of each real image ``[N]``; ``None`` treats all images as independent.
        generated_clusters: seed of each generated image ``[M]``; ``None`` treats all images as independent.
        context: further context of each figure, such as the result of
            :func:`~monai_minority.evaluation.features.describe_extractor`.
        resamples: number of bootstrap resamples of the means; 0 leaves their intervals out.
        distance_resamples: number of bootstrap resamples of the two distances; 0 leaves their intervals out.
        seed: seed of the bootstrap.

    Returns:
        The figures, each with its context.

    Raises:
        ValueError: the shapes do not fit, values are not finite, or ``k`` is out of range.

    Example:
        >>> import numpy as np
        >>> from monai_minority.evaluation import fidelity_figures
        >>> real, generated = np.random.default_rng(0).standard_normal((2, 50, 2))
        >>> figures = {figure.name: figure for figure in fidelity_figures(real, generated, resamples=0)}
        >>> print(figures["precision"])
        precision: 0.96 [0.8654, 0.989]
        >>> figures["recall"].context["N real"]
        50
    """
    real, generated = as_index(real, ball=k), as_index(generated, ball=k)
    balls = real.balls(generated, k)
    rarities = np.asarray(rarity(real, generated, k))
    inside = np.isfinite(rarities)
    if balls.reached is None:
        raise ValueError(f"generated must be an index with ball={k}, got ball={generated.ball}")
    shared = dict(context or {}) | {"N real": len(real), "N generated": len(generated), "dimension": real.dimension}
    shared["k"] = k

    subjects, seeds = (
        np.arange(len(index)) if labels is None else np.asarray(labels)
        for index, labels in ((real, real_clusters), (generated, generated_clusters))
    )
    alone = len(np.unique(subjects)) == len(real) and len(np.unique(seeds)) == len(generated)
    drawn = "images" if alone else "subjects and seeds"

    def note(count: int) -> dict[str, Any]:
        if not count:
            return shared
        return {**shared, "interval": f"95%, {count} bootstrap resamples of {drawn}", "seed": seed}

    def share(name: str, hits: np.ndarray, clusters: np.ndarray) -> Figure:
        how = {"interval": f"95%, Wilson's of {drawn}", "seed": seed}
        return Figure(name, float(hits.mean()), *wilson(hits, clusters), {**shared, **how})

    def mean(name: str, values: np.ndarray, clusters: np.ndarray) -> Figure:
        interval = UNKNOWN_INTERVAL
        if len(values):
            interval = bootstrap(weighted_mean(values), clusters, resamples, seed=seed)
        value = float(np.mean(values)) if len(values) else float("nan")
        return Figure(name, value, *interval, note(resamples))

    drawing: dict[str, Any] = {"a_clusters": subjects, "b_clusters": seeds, "resamples": distance_resamples}
    found = distance_figures(real.vectors, generated.vectors, **drawing, seed=seed)
    few = min(len(real), len(generated)) <= real.dimension
    frechet_note = note(distance_resamples) | ({"caution": CAUTION} if few else {})
    return [
        Figure(FRECHET, found.frechet, *found.frechet_interval, frechet_note),
        Figure(KERNEL, found.kernel, *found.kernel_interval, note(distance_resamples)),
        share("precision", balls.count > 0, seeds),
        share("recall", balls.reached, subjects),
        mean("density", balls.count / k, seeds),
        share("coverage", balls.occupied, subjects),
        mean("rarity, mean of valid (valid share is precision)", rarities[inside], seeds[inside]),
    ]
