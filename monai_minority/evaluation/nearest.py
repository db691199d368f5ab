"""The real images nearest to others: of any subject, of another subject, and of a few queries among very many."""

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
import torch

from monai_minority.evaluation.density.neighbours import Features, NeighbourIndex, as_index


class NearestReal(NamedTuple):
    """The ``k`` real images nearest to each generated one, nearest first."""

    distances: np.ndarray
    """Euclidean ``[M, k]``, float64."""
    indices: np.ndarray
    """Rows of the real images ``[M, k]``, int64."""


class NearestOther(NamedTuple):
    """The nearest image of each query that is not of its own subject; see :func:`nearest_other`."""

    distances: np.ndarray
    """``[Q]``, float64; infinite where there is none among the neighbours."""
    indices: np.ndarray
    """Rows of the images ``[Q]``, int64."""
    ratio: np.ndarray
    """Distance over that of the nearest image of yet another subject ``[Q]``; NaN where there is none or both are 0."""


def nearest_other(found: NearestReal, subjects: np.ndarray, own: np.ndarray | None = None) -> NearestOther:
    """From neighbours to the nearest of another subject, and how much nearer it is than the next subject's.

    Args:
        found: neighbours ``[Q, k]``, of which ``k`` must be larger than the images of any two subjects for every query
            to have its ratio.
        subjects: of the images that were searched ``[N]``.
        own: subject of each query ``[Q]``, whose images are passed over; ``None``: generated images have none.
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
    """The ``k`` nearest real images of each generated one.

    Args:
        real: real feature vectors (or flattened pixels) ``[N, D]``, or an index of them.
        generated: generated vectors ``[M, D]``, or an index of them.
        k: how many.

    Raises:
        ValueError: the shapes do not fit, values are not finite, or ``k`` is out of range.
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
    """The ``k`` nearest vectors of each query, in memory that does not grow with their number.

    For a few queries; :func:`nearest_real` is for many.

    Args:
        query: ``[Q, D]``.
        batches: of vectors ``[B, D]``, numbered in their order from 0.
        k: how many.
        subject: of each query ``[Q]``; its own images are then passed over. Needs
        subjects: of all vectors ``[N]``.

    Returns:
        Distances and numbers ``[Q, k]``, nearest first, of equally near ones the first; where there are fewer than
        ``k``, infinity and -1.
    """
    few = torch.as_tensor(np.asarray(query), dtype=torch.float32)
    distances = torch.full((len(few), k), torch.inf)
    numbers = torch.full((len(few), k), -1)
    start = 0
    for batch in batches:
        vectors = torch.as_tensor(np.asarray(batch), dtype=torch.float32)
        here = torch.arange(start, start + len(vectors))
        # Differences, not a product of matrices, which rounds the distances of near ones away.
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
