"""The k nearest within a known radius, from lower bounds of the distances."""

import torch
from torch import Tensor

from monai_minority.evaluation.density.vectors import Tile, squared_distances


class NearestWithin:
    """The k nearest vectors to each query, of which a radius is known that holds at least k.

    Args:
        queries: vectors ``[Q, D]``.
        vectors: what to search ``[N, D]``.
        k: neighbours wanted.
        radii: squared radii ``[Q]``, float64.
    """

    def __init__(self, queries: Tensor, vectors: Tensor, k: int, radii: Tensor) -> None:
        self.queries, self.vectors, self.k, self.radii = queries, vectors, k, radii
        self._found: list[tuple[Tensor, Tensor, Tensor]] = []

    def add(self, tile: Tile, *, mirrored: bool = False) -> None:
        """Measure what the bounds of a tile leave in; ``mirrored``, of vectors with each other, for both of a pair."""
        radii = [self.radii[tile.rows][:, None]] + ([self.radii[tile.columns][None]] if mirrored else [])
        row, column = tile.pairs_below(*radii)
        near, tolerance = tile.measured(row, column), tile.tolerance[row].double()
        row, column = row + tile.rows.start, column + tile.columns.start
        reach = torch.maximum(self.radii[row], self.radii[column]) if mirrored else self.radii[row]
        kept = near <= reach + tolerance
        row, column = row[kept], column[kept]
        squared = squared_distances(self.queries, row, self.vectors, column[:, None])[:, 0]
        for query, vector in ((row, column), (column, row))[: 1 + mirrored]:
            inside = squared <= self.radii[query]
            self._found.append((query[inside], vector[inside], squared[inside]))

    def result(self) -> tuple[Tensor, Tensor]:
        """Squared distances, float64, and indices, ``[Q, k]`` each, nearest first; equal ones in order of index."""
        row, column, squared = (torch.cat(parts) for parts in zip(*self._found, strict=True))
        order = column.argsort(stable=True)
        order = order[squared[order].argsort(stable=True)]
        order = order[row[order].argsort(stable=True)]
        counts = torch.bincount(row, minlength=len(self.queries))
        first = counts.cumsum(0) - counts
        chosen = order[first[:, None] + torch.arange(self.k, device=row.device)]
        return squared[chosen], column[chosen]
