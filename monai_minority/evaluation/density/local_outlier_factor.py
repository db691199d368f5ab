"""LOF: how much thinner the data is around an image than around its neighbours."""

import numpy as np

from monai_minority.evaluation.density.neighbours import Features, NeighbourIndex, Neighbours, as_index


def local_outlier_factor(
    real: Features | NeighbourIndex, query: Features | NeighbourIndex | None = None, k: int = 20
) -> np.ndarray:
    """Local outlier factor (Breunig et al., 2000) with respect to the real vectors; about 1 in the bulk,
    higher is rarer.

    Equals ``pyod.models.lof.LOF(n_neighbors=k)``: its ``decision_function(query)`` (each query on its own
    against the real vectors), or its ``decision_scores_`` without a query. The paper uses k = 20. Where
    several real vectors are equally far at the k-th place, which of them counts is open, as in PyOD.

    Args:
        real: real feature vectors ``[N, D]``, or a :class:`NeighbourIndex` of them.
        query: vectors to judge ``[Q, D]``, or an index of them; ``None`` for the real ones, each without
            itself.
        k: number of neighbours, below N.

    Returns:
        float64 ``[Q]``, without unit.

    Raises:
        ValueError: the shapes do not fit, values are not finite, or ``k`` is out of range.
    """
    index = as_index(real, k=k)
    own = index.neighbours(None, k)
    own_density = _reachability_density(own, own)
    if query is None:
        neighbours, density = own, own_density
    else:
        neighbours = index.neighbours(query, k)
        density = _reachability_density(neighbours, own)
    return own_density[neighbours.indices].mean(axis=1) / density


def _reachability_density(neighbours: Neighbours, own: Neighbours) -> np.ndarray:
    """One over the mean reachability distance; the small constant keeps copies of one image finite, as in
    PyOD."""
    reach = np.maximum(neighbours.distances, own.distances[neighbours.indices, -1])
    return 1 / (reach.mean(axis=1) + 1e-10)
