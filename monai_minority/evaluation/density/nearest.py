"""The k nearest vectors: faiss finds candidates in float32, and float64 distances put them in exact order."""

from dataclasses import dataclass

import numpy as np
import torch

from monai_minority.evaluation.density.lower_bounds import Frame, Points
from monai_minority.evaluation.density.vectors import squared_distances

SEARCH_BYTES = 8 * 2**20
"""Memory for the queries of a search, their candidates and float64 distances."""

SHORTENING = 16
"""Length of the vectors divided by the length of short points."""

LONG, MANY = 512, 2048
"""Smallest dimension and number of vectors for which short points may save time."""

TRIAL = 256
"""Number of vectors that short points are tried on."""

WORTHWHILE = 0.9
"""Share of the tried vectors whose neighbours the first candidates must settle."""


@dataclass(frozen=True)
class Neighbours:
    """The k nearest rows of an index, nearest first. The order of equally far rows at the k-th place is not defined.

    Attributes:
        squared: squared Euclidean distances ``[Q, k]``, float64.
        indices: rows of the index ``[Q, k]``, int64.

    Example:
        >>> import numpy as np
        >>> from monai_minority.evaluation.density import NeighbourIndex
        >>> found = NeighbourIndex(np.array([[0.0], [1.0], [3.0]]), k=2, ball=0).neighbours(np.array([[2.5]]), 2)
        >>> found.indices.tolist(), found.distances.tolist()
        ([[2, 1]], [[0.5, 1.5]])
    """

    squared: np.ndarray
    indices: np.ndarray

    @property
    def distances(self) -> np.ndarray:
        """Euclidean distances ``[Q, k]``, float64."""
        return np.sqrt(self.squared)

    def first(self, k: int) -> "Neighbours":
        """The ``k`` nearest of these."""
        return Neighbours(self.squared[:, :k], self.indices[:, :k])


def nearest(index: Points, queries: np.ndarray | None, k: int) -> Neighbours:
    """The ``k`` nearest vectors of the index to each query.

    Queries that a few candidates do not settle get more candidates. Queries that are still open are searched in
    float64.

    Args:
        index: vectors to search, and their points.
        queries: vectors ``[Q, D]``; ``None`` takes the vectors of the index, which are not their own neighbours.
        k: number of neighbours, below N.
    """
    size, dimension = index.vectors.shape
    rows = np.arange(size if queries is None else len(queries))
    squared, indices = np.empty((len(rows), k)), np.empty((len(rows), k), np.int64)
    for width, in_float64 in ((2 * k + 8, False), (16 * k + 64, False), (2 * k + 8, True)):
        open_ = np.zeros(len(squared), bool)
        step = max(1, SEARCH_BYTES // (8 * max(dimension, size if in_float64 else 8 * min(width, size))))
        for start in range(0, len(rows), step):
            part = rows[start : start + step]
            asked = index.part(part) if queries is None else index.frame.place(queries[part])
            squared[part], indices[part], settled = ranked(
                index, asked, k, width, own=part if queries is None else None, in_float64=in_float64
            )
            open_[part] = ~settled
        rows = np.flatnonzero(open_)
    return Neighbours(squared, indices)


def ranked(
    index: Points, queries: Points, k: int, width: int, *, own: np.ndarray | None = None, in_float64: bool = False
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The ``k`` nearest of ``width`` candidates, in exact order.

    Args:
        index: vectors to search, and their points.
        queries: vectors and their points.
        k: number of neighbours.
        width: number of candidates.
        own: row of the index that each query is ``[Q]``, which does not count as a neighbour, or ``None``.
        in_float64: whether to search for candidates in float64, which is slow.

    Returns:
        Squared distances, float64 ``[Q, k]``, indices ``[Q, k]``, and whether no other vector can be nearer ``[Q]``.
    """
    width = min(width, len(index.vectors))
    bounds, candidates = (_nearest_in_float64 if in_float64 else Points.nearest)(index, queries, width)
    known = candidates >= 0
    if own is not None:
        known &= candidates != own[:, None]
    squared = np.full(candidates.shape, np.inf)

    def measure(row: np.ndarray, place: np.ndarray) -> np.ndarray:
        squared[row, place] = squared_distances(queries.vectors, row, index.vectors, candidates[row, place])
        # The points of a vector that may still be among the k nearest are at most this far apart.
        return index.frame.reach(np.partition(squared, k - 1, axis=1)[:, k - 1], queries.lengths)

    first = width if in_float64 else k + 1
    reach = measure(*np.nonzero(known[:, :first]))
    row, place = np.nonzero(known[:, first:] & (bounds[:, first:] <= reach[:, None]))
    reach = measure(row, place + first)
    order = np.lexsort((candidates, squared))[:, :k]  # equally far vectors in order of index
    squared, indices = (np.take_along_axis(values, order, 1) for values in (squared, candidates))
    all_seen = (candidates[:, -1] >= 0) & ((bounds[:, -1] > reach) | (width == len(index.vectors)))
    return squared, indices, all_seen | (squared[:, -1] == 0)


def points_of(vectors: np.ndarray, k: int) -> Points:
    """Points of vectors ``[N, D]`` for a search of the ``k`` nearest; along a few directions in place of all axes where
    that saves work and finds the neighbours of nearly every vector."""
    count, dimension = vectors.shape
    centre = vectors.mean(axis=0, dtype=np.float64)
    if dimension >= LONG and count >= MANY:
        width = dimension // SHORTENING
        # Where few directions matter, the span of a few evenly spread vectors contains most of the others.
        sample = torch.from_numpy(vectors[np.arange(width) * count // width] - centre)
        short = Frame(centre, torch.linalg.qr(sample.T).Q).place(vectors)
        tried = short.part((np.arange(TRIAL) * count + count // 2) // TRIAL)
        if ranked(short, tried, k, 2 * k + 8)[2].mean() >= WORTHWHILE:
            return short
    return Frame(centre).place(vectors)


def _nearest_in_float64(index: Points, queries: Points, width: int) -> tuple[np.ndarray, np.ndarray]:
    """Squared distances of the nearest vectors, up to a constant, and their indices, from float64 products."""
    centre = index.frame.centre
    centred = torch.from_numpy(queries.vectors.astype(np.float64)) - centre
    squared = torch.empty(len(centred), len(index.vectors), dtype=torch.float64)
    step = max(1, SEARCH_BYTES // (16 * len(centre)))
    for start in range(0, squared.shape[1], step):
        part = slice(start, start + step)
        others = torch.from_numpy(index.vectors[part].astype(np.float64)) - centre
        squared[:, part] = others.square().sum(dim=1) - 2 * centred @ others.T
    bounds, candidates = squared.topk(width, dim=1, largest=False)
    return bounds.numpy(), candidates.numpy()
