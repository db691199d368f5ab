"""Measures of density: mean distance to neighbours (AvgkNN), local outlier factor (LOF) and Rarity Score."""

import warnings

import numpy as np

from monai_minority.evaluation.density.neighbours import Features, NeighbourIndex, Neighbours, as_index

# Such a density is that of copies: only the small constant in its denominator keeps it finite.
_COPIES = 1e9


def average_knn(
    real: Features | NeighbourIndex, query: Features | NeighbourIndex | None = None, k: int = 5
) -> np.ndarray:
    """AvgkNN: mean Euclidean distance to the ``k`` nearest real vectors; higher is rarer.

    Equals ``pyod.models.knn.KNN(method="mean", n_neighbors=k)``: its ``decision_function(query)``, or its
    ``decision_scores_`` without a query. The paper uses k = 5.

    Args:
        real: real feature vectors ``[N, D]``, or a :class:`NeighbourIndex` of them.
        query: vectors to measure ``[Q, D]``, or an index of them; ``None`` measures each real vector among the others.
        k: number of neighbours, below N.

    Returns:
        float64 ``[Q]``, in the unit of the features.

    Raises:
        ValueError: the shapes do not fit, values are not finite, or ``k`` is out of range.

    Example:
        >>> import numpy as np
        >>> from monai_minority.evaluation.density import average_knn
        >>> real = np.array([[0.0], [1.0], [3.0]])
        >>> average_knn(real, np.array([[0.5], [5.0]]), k=2).tolist()
        [0.5, 3.0]
    """
    return as_index(real, k=k).neighbours(query, k).distances.mean(axis=1)


def local_outlier_factor(
    real: Features | NeighbourIndex, query: Features | NeighbourIndex | None = None, k: int = 20
) -> np.ndarray:
    """Local outlier factor (Breunig et al., 2000): the density around a vector's neighbours over its own density.

    It is about 1 for a vector among many others; higher is rarer. Equals ``pyod.models.lof.LOF(n_neighbors=k)``: its
    ``decision_function(query)``, which measures each query separately against the real vectors, or its
    ``decision_scores_`` without a query. The paper uses k = 20. Where several real vectors are equally far at the k-th
    place, it is not defined which of them counts; the same is true of PyOD.

    Where more than ``k`` real vectors are equal, such as features of blank pictures, their density is infinite, and so
    is the factor of other vectors near them. PyOD gives these numbers such as 1e7. Here they are NaN, and a warning
    tells how many there are.

    Args:
        real: real feature vectors ``[N, D]``, or a :class:`NeighbourIndex` of them.
        query: vectors to measure ``[Q, D]``, or an index of them; ``None`` measures each real vector among the others.
        k: number of neighbours, below N.

    Returns:
        float64 ``[Q]``, without unit; NaN beside copies.

    Raises:
        ValueError: the shapes do not fit, values are not finite, or ``k`` is out of range.

    Example:
        >>> import numpy as np
        >>> from monai_minority.evaluation.density import local_outlier_factor
        >>> real = np.arange(20.0)[:, None]  # evenly spaced
        >>> local_outlier_factor(real, np.array([[9.5], [40.0]]), k=4).round(1).tolist()
        [1.0, 8.5]
    """
    index = as_index(real, k=k)
    own = index.neighbours(None, k)
    own_density = _reachability_density(own, own)
    if query is None:
        neighbours, density = own, own_density
    else:
        neighbours = index.neighbours(query, k)
        density = _reachability_density(neighbours, own)
    factors = own_density[neighbours.indices].mean(axis=1) / density
    infinite = own_density > _COPIES
    beside = infinite[neighbours.indices].any(axis=1) & (density < _COPIES)
    if beside.any():
        warnings.warn(
            f"{beside.sum()} of {len(factors)} vectors lie beside more than {k} equal real vectors, so their local "
            "outlier factor is infinite; it is NaN and stays out of means",
            stacklevel=2,
        )
        factors[beside] = np.nan
    return factors


def rarity(real: Features | NeighbourIndex, query: Features | NeighbourIndex | None = None, k: int = 5) -> np.ndarray:
    """Rarity Score (Han et al., 2023, Eq. 3): the radius of the smallest real ball that holds the query.

    The closed ball of a real vector extends to its ``k``-th nearest real neighbour, without counting itself. A query
    outside every ball is implausible, not rare. It gets NaN; the authors' code gives 0, which looks like the most
    common value.

    Args:
        real: real feature vectors ``[N, D]``, or a :class:`NeighbourIndex` of them.
        query: vectors to measure ``[Q, D]``, or an index of them; ``None`` measures each real vector against the balls
            of the others.
        k: neighbour that a ball extends to, below N.

    Returns:
        float64 ``[Q]``, in the unit of the features; higher is rarer.

    Raises:
        ValueError: the shapes do not fit, values are not finite, or ``k`` is out of range.

    Example:
        >>> import numpy as np
        >>> from monai_minority.evaluation.density import rarity
        >>> real = np.array([[0.0], [1.0], [3.0]])  # balls of radius 1, 1 and 2
        >>> rarity(real, np.array([[0.5], [4.5], [9.0]]), k=1).tolist()
        [1.0, 2.0, nan]
    """
    return as_index(real, ball=k).balls(query, k).smallest_radius


def _reachability_density(neighbours: Neighbours, own: Neighbours) -> np.ndarray:
    """One over the mean reachability distance. As in PyOD, a small constant keeps it finite for copies of one image."""
    reach = np.maximum(neighbours.distances, own.distances[neighbours.indices, -1])
    return 1 / (reach.mean(axis=1) + 1e-10)
