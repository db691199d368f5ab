"""Nearest real images: of any subject, of another subject, and for a few queries among very many images."""

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
import torch

from monai_minority.evaluation.density.neighbours import Features, NeighbourIndex, as_index


class NearestReal(NamedTuple):
    """The ``k`` real images nearest to each generated image, nearest first."""

    distances: np.ndarray
    """Euclidean distances ``[M, k]``, float64."""
    indices: np.ndarray
    """Rows of the real images ``[M, k]``, int64."""


class NearestOther(NamedTuple):
    """The nearest image of another subject for each query; see :func:`nearest_other`."""

    distances: np.ndarray
    """``[Q]``, float64; infinite if no neighbour is of another subject."""
    indices: np.ndarray
    """Rows of the images ``[Q]``, int64."""
    ratio: np.ndarray
    """Distance divided by that of the nearest image of a third subject ``[Q]``; NaN if there is none or both are 0."""


def nearest_other(found: NearestReal, subjects: np.ndarray, own: np.ndarray | None = None) -> NearestOther:
    """The nearest neighbour of another subject, and how much nearer it is than the next subject's.

    Args:
        found: neighbours ``[Q, k]``. Every query has a ratio if ``k`` is larger than the number of images of any two
            subjects.
        subjects: subject of each searched image ``[N]``.
        own: subject of each query ``[Q]``, whose images are skipped; ``None`` for generated images, which have none.
    """
    theirs = np.asarray(subjects)[found.indices]
    distances = found.distances if own is None else np.where(theirs == own[:, None], np.inf, found.distances)
    first = distances.argmin(axis=1)[:, None]
    nearest = np.take_along_axis(distances, first, axis=1)[:, 0]
    who = np.take_along_axis(theirs, first, axis=1)
    second = np.where(theirs == who, np.inf, distances).min(axis=1)
    known = np.isfinite(second) & (second > 0)
    ratio = np.divide(nearest, second, out=np.full(len(nearest), np.nan), where=known)
    return NearestOther(nearest, np.take_along_axis(found.indices, first, axis=1)[:, 0], ratio)


def nearest_real(real: Features | NeighbourIndex, generated: Features | NeighbourIndex, k: int = 1) -> NearestReal:
    """The ``k`` nearest real images of each generated image.

    Args:
        real: real feature vectors (or flattened pixels) ``[N, D]``, or an index of them.
        generated: generated vectors ``[M, D]``, or an index of them.
        k: number of neighbours.

    Raises:
        ValueError: the shapes do not fit, values are not finite, or ``k`` is out of range.

    Example:
        >>> import numpy as np
        >>> from monai_minority.evaluation.nearest import nearest_real
        >>> found = nearest_real(np.array([[0.0], [1.0], [4.0]]), np.array([[3.0]]))
        >>> found.indices.tolist(), found.distances.tolist()
        ([[2]], [[1.0]])
    """
    found = as_index(real, k=k).neighbours(generated, k)
    return NearestReal(found.distances, found.indices)


def look_alikes(
    query: np.ndarray | torch.Tensor,
    batches: Iterable[np.ndarray | torch.Tensor],
    k: int = 1,
    *,
    subject: np.ndarray | None = None,
    subjects: np.ndarray | None = None,
) -> NearestReal:
    """The ``k`` nearest vectors of each query, in memory that does not grow with the number of vectors.

    Use it for a few queries, and :func:`nearest_real` for many.

    Args:
        query: ``[Q, D]``.
        batches: batches of vectors ``[B, D]``, which are numbered in order from 0.
        k: number of neighbours.
        subject: subject of each query ``[Q]``, whose own images are then skipped; it requires ``subjects``.
        subjects: subject of each vector ``[N]``.

    Returns:
        Distances and numbers ``[Q, k]``, nearest first; the first of equally near vectors comes first. Missing
        neighbours have distance infinity and number -1.

    Example:
        >>> import numpy as np
        >>> from monai_minority.evaluation.nearest import look_alikes
        >>> batches = iter([np.array([[0.0], [1.0]]), np.array([[4.0]])])
        >>> look_alikes(np.array([[3.0]]), batches, k=2).indices.tolist()
        [[2, 1]]
    """
    few = torch.as_tensor(np.asarray(query), dtype=torch.float32)
    distances = torch.full((len(few), k), torch.inf)
    numbers = torch.full((len(few), k), -1)
    start = 0
    for batch in batches:
        vectors = torch.as_tensor(np.asarray(batch), dtype=torch.float32)
        here = torch.arange(start, start + len(vectors))
        # Use differences: a matrix product loses small distances to rounding.
        found = torch.cdist(few, vectors, compute_mode="donot_use_mm_for_euclid_dist")
        if subject is not None:
            assert subjects is not None
            own = subjects[here.numpy()] == subject[:, None]
            found[torch.from_numpy(own)] = torch.inf
        pool = torch.cat([distances, found], dim=1)
        order = pool.argsort(dim=1, stable=True)[:, :k]
        distances = pool.gather(1, order)
        numbers = torch.cat([numbers, here.expand(len(few), -1)], dim=1).gather(1, order)
        start += len(vectors)
    numbers[distances.isinf()] = -1
    return NearestReal(distances.double().numpy(), numbers.numpy())
