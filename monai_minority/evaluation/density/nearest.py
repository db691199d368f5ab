"""The k nearest of many, gathered tile by tile and then put into exact order."""

from dataclasses import dataclass
from math import isqrt

import numpy as np
import torch
from torch import Tensor

from monai_minority.evaluation.density.vectors import squared_distances

SPARE = 4
"""Candidates taken beyond k in float32, so that rounding near the k-th place can be seen and repaired."""

REPAIR_BYTES = 64 * 2**20
"""Memory for the float64 search of what float32 leaves open."""


@dataclass(frozen=True)
class Neighbours:
    """The k nearest rows of an index, nearest first. Which of several equally far rows comes last is open.

    Attributes:
        squared: squared Euclidean distances ``[Q, k]``, float64.
        indices: rows of the index ``[Q, k]``, int64.
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


class NearestCandidates:
    """The nearest vectors to each query among the tiles seen so far, a few more than asked for.

    Args:
        queries: vectors ``[Q, D]``.
        vectors: what to search ``[N, D]``.
        k: neighbours wanted.
        own: whether the queries are the vectors themselves, none of which is its own neighbour.
        spare: candidates beyond k, which ``result`` needs to see what rounding may have decided.
    """

    def __init__(self, queries: Tensor, vectors: Tensor, k: int, *, own: bool, spare: int = SPARE) -> None:
        self.queries, self.vectors, self.k, self.own = queries, vectors, k, own
        self.others = len(vectors) - own
        shape = (len(queries), min(k + spare, self.others))
        self.squared = torch.full(shape, torch.inf, device=queries.device)
        self.indices = torch.zeros(shape, dtype=torch.int64, device=queries.device)

    def add(self, rows: slice, columns: slice, squared: Tensor) -> None:
        """Take in float32 squared distances ``[R, C]`` of queries to vectors."""
        values, places = smallest(squared, min(self.squared.shape[1], squared.shape[1]))
        values = torch.cat([self.squared[rows], values], dim=1)
        indices = torch.cat([self.indices[rows], places + columns.start], dim=1)
        self.squared[rows], order = values.topk(self.squared.shape[1], dim=1, largest=False)
        self.indices[rows] = indices.gather(1, order)

    def result(self, tolerance: Tensor, centre: Tensor) -> tuple[Tensor, Tensor]:
        """The k nearest in exact order: squared distances, float64, and indices, ``[Q, k]`` each.

        Args:
            tolerance: the error that a query's float32 distances may have ``[Q]``.
            centre: about the middle of the vectors ``[D]``.
        """
        everyone = torch.arange(len(self.queries), device=self.queries.device)
        squared, indices = self._in_order(everyone, self.indices[:, : self.k])
        kept = self.squared.shape[1]
        if kept > self.k:
            rows = self._doubtful(squared, self.squared[:, self.k] - tolerance)
            squared[rows], indices[rows] = self._in_order(rows, self.indices[rows])
        if kept < self.others:
            doubtful = self._doubtful(squared, self.squared[:, -1] - tolerance)
            # Splitting no rows gives one part of none, which would cost a whole float64 copy of the vectors.
            for rows in doubtful.split(max(1, REPAIR_BYTES // (8 * len(self.vectors)))) if len(doubtful) else ():
                squared[rows], indices[rows] = self._in_float64(rows, centre)
        return squared, indices

    @staticmethod
    def _doubtful(squared: Tensor, elsewhere: Tensor) -> Tensor:
        """Queries whose k-th place another vector may take, all others being at least ``elsewhere`` away."""
        return torch.nonzero((squared[:, -1] > elsewhere) & (squared[:, -1] > 0)).flatten()

    def _in_order(self, rows: Tensor, candidates: Tensor) -> tuple[Tensor, Tensor]:
        candidates = candidates.sort(dim=1).values  # equal distances then stay in the order of their indices
        squared = squared_distances(self.queries, rows, self.vectors, candidates)
        if self.own:
            squared[candidates == rows[:, None]] = torch.inf
        squared, order = squared.sort(dim=1, stable=True)
        return squared[:, : self.k], candidates.gather(1, order[:, : self.k])

    def _in_float64(self, rows: Tensor, centre: Tensor) -> tuple[Tensor, Tensor]:
        """The same search in float64, for queries that float32 could not settle."""
        centred = self.queries[rows].double() - centre
        squared = torch.empty(len(rows), len(self.vectors), dtype=torch.float64, device=centred.device)
        width = max(1, REPAIR_BYTES // (16 * self.vectors.shape[1]))
        for start in range(0, len(self.vectors), width):
            part = slice(start, start + width)
            others = self.vectors[part].double() - centre
            squared[:, part] = others.square().sum(dim=1) - 2 * centred @ others.T
        if self.own:
            squared.scatter_(1, rows[:, None], torch.inf)
        candidates = squared.topk(min(self.k + SPARE, self.others), dim=1, largest=False).indices
        return self._in_order(rows, candidates)


def smallest(block: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """The ``count`` smallest values of each row of ``block`` ``[R, C]`` and their places, ``[R, count]`` each.

    The columns are taken in groups, and the groups with the ``count`` smallest minima hold ``count`` smallest
    values, since a group left out has ``count`` others with a value no larger than its least. Only they are
    sorted.
    """
    width = isqrt(block.shape[1] // count)
    if width < 2:
        return block.topk(count, dim=1, largest=False)
    groups = block.shape[1] // width
    minima = block[:, : groups * width].unflatten(1, (width, groups)).amin(dim=1)
    chosen = minima.topk(count, dim=1, largest=False, sorted=False).indices
    members = torch.arange(width, device=block.device)[:, None] * groups
    places = (chosen[:, None] + members).flatten(1)
    rest = torch.arange(groups * width, block.shape[1], device=block.device)
    places = torch.cat([places, rest.expand(len(block), -1)], dim=1)
    values, order = block.gather(1, places).topk(count, dim=1, largest=False)
    return values, places.gather(1, order)
