"""AvgkNN: mean distance to the k nearest real images."""

import numpy as np

from monai_minority.evaluation.density.neighbours import Features, NeighbourIndex, as_index


def average_knn(
    real: Features | NeighbourIndex, query: Features | NeighbourIndex | None = None, k: int = 5
) -> np.ndarray:
    """Mean Euclidean distance to the ``k`` nearest real vectors; higher is rarer.

    Equals ``pyod.models.knn.KNN(method="mean", n_neighbors=k)``: its ``decision_function(query)``, or its
    ``decision_scores_`` without a query. The paper uses k = 5.

    Args:
        real: real feature vectors ``[N, D]``, or a :class:`NeighbourIndex` of them.
        query: vectors to judge ``[Q, D]``, or an index of them; ``None`` for the real ones, each without
            itself.
        k: number of neighbours, below N.

    Returns:
        float64 ``[Q]``, in the unit of the features.

    Raises:
        ValueError: the shapes do not fit, values are not finite, or ``k`` is out of range.
    """
    return as_index(real, k=k).neighbours(query, k).distances.mean(axis=1)
