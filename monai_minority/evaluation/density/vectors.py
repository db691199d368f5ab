"""Feature vectors and their exact squared distances."""

import numpy as np
import torch
from torch import Tensor

Features = np.ndarray | Tensor
"""Finite feature vectors ``[N, D]`` of any floating type, one row for each image; numpy or torch."""

CACHE_BYTES = 2**19
"""Size of the float64 pieces for distances, which fits a processor's cache."""


def as_array(features: Features) -> np.ndarray:
    """Vectors in numpy."""
    return features.detach().cpu().numpy() if isinstance(features, Tensor) else np.asarray(features)


def as_vectors(features: Features, name: str) -> np.ndarray:
    """``features`` as a floating array ``[N, D]``.

    Raises:
        ValueError: the shape is another, there is no vector, or values are not finite.
    """
    if isinstance(features, Tensor) and features.dtype == torch.bfloat16:  # which numpy has not
        features = features.float()
    vectors = as_array(features)
    if vectors.ndim != 2:
        raise ValueError(f"{name} must have shape [N, D], got {vectors.shape}; flatten each image's features")
    if not np.issubdtype(vectors.dtype, np.floating):
        vectors = vectors.astype(np.float64)
    if not len(vectors):
        raise ValueError(f"{name} must hold at least one vector, got shape {vectors.shape}")
    finite = np.isfinite(vectors.max(axis=1)) & np.isfinite(vectors.min(axis=1))
    if not finite.all():
        rows = np.flatnonzero(~finite)[:5].tolist()
        raise ValueError(f"{name} must be finite, got NaN or infinity in rows {rows}; remove or repair these images")
    return vectors


def squared_distances(a: np.ndarray, rows: np.ndarray, b: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """Squared distances, float64 ``[P]``, of each ``a[rows]`` to its own ``b[columns]``.

    They are computed from differences. The result does not depend, to the last bit, on the order of the two vectors or
    on the position of the pair. A point on the surface of a ball is therefore inside it.

    Args:
        a: vectors ``[N, D]``.
        rows: indices ``[P]``.
        b: vectors ``[M, D]``.
        columns: indices ``[P]``.
    """
    squared = np.empty(len(rows))
    step = max(1, CACHE_BYTES // (8 * a.shape[1]))
    for start in range(0, len(rows), step):
        piece = slice(start, start + step)
        difference = np.subtract(a[rows[piece]], b[columns[piece]], dtype=np.float64)
        squared[piece] = np.square(difference, out=difference).sum(axis=1)
    return squared
