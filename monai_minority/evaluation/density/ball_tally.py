"""Membership in balls, gathered tile by tile and settled exactly."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from monai_minority.evaluation.density.vectors import Tile, squared_distances


@dataclass(frozen=True)
class Balls:
    """How queries and the closed k-nearest-neighbour balls of an index lie to each other.

    Attributes:
        smallest_radius: radius of the smallest ball around a row of the index that holds the query ``[Q]``,
            NaN in none.
        count: number of balls of the index that hold the query ``[Q]``, int64.
        occupied: whether the ball of a row of the index holds any query ``[N]``, bool.
        reached: whether a row of the index lies in the ball of any query ``[N]``, bool; ``None`` where the
            queries came as plain vectors, without balls of their own.
    """

    smallest_radius: np.ndarray
    count: np.ndarray
    occupied: np.ndarray
    reached: np.ndarray | None


class BallTally:
    """What is known of the balls so far.

    Args:
        queries: vectors ``[Q, D]``.
        vectors: centres of the balls ``[N, D]``.
        radii: their squared radii ``[N]``, float64.
        query_radii: squared radii of the balls around the queries ``[Q]``, float64, or ``None``.
    """

    def __init__(self, queries: Tensor, vectors: Tensor, radii: Tensor, query_radii: Tensor | None = None) -> None:
        self.queries, self.vectors = queries, vectors
        self.radii, self.query_radii = radii, query_radii
        self.smallest = torch.full((len(queries),), torch.inf, dtype=torch.float64, device=queries.device)
        self.count = torch.zeros(len(queries), dtype=torch.int64, device=queries.device)
        self.occupied = torch.zeros(len(vectors), dtype=torch.bool, device=queries.device)
        self.reached = None if query_radii is None else torch.zeros_like(self.occupied)

    def add(self, tile: Tile) -> None:
        """Count a tile of distances in."""
        radii = [self.radii[tile.columns][None]]
        if self.query_radii is not None:
            radii.append(self.query_radii[tile.rows][:, None])
        query, ball, (held, *reached) = pairs_within(tile, self.queries, self.vectors, *radii)
        self.note(query[held], ball[held])
        if self.reached is not None:
            self.reached[ball[reached[0]]] = True

    def note(self, query: Tensor, ball: Tensor) -> None:
        """Note pairs of a query and a ball that holds it, no pair twice."""
        self.smallest.scatter_reduce_(0, query, self.radii[ball], "amin")
        self.count += torch.bincount(query, minlength=len(self.count))
        self.occupied[ball] = True

    def result(self) -> Balls:
        """Everything counted, as arrays."""
        smallest = torch.where(self.count > 0, self.smallest.sqrt(), torch.nan)
        reached = None if self.reached is None else self.reached.cpu().numpy()
        return Balls(smallest.cpu().numpy(), self.count.cpu().numpy(), self.occupied.cpu().numpy(), reached)


def pairs_within(tile: Tile, queries: Tensor, vectors: Tensor, *radii: Tensor) -> tuple[Tensor, Tensor, list[Tensor]]:
    """Pairs of a tile that may lie within a radius, each looked at once, and which do.

    Those near it are measured in float64.

    Args:
        tile: float32 squared distances, or lower bounds of them.
        queries: vectors of its rows and of others ``[Q, D]``.
        vectors: vectors of its columns and of others ``[N, D]``.
        radii: squared radii, float64, one a column ``[1, C]`` or one a row ``[R, 1]``.

    Returns:
        indices into ``queries`` and into ``vectors``, int64 ``[P]`` each, and for each of ``radii`` whether the pair
        lies within it, bool ``[P]``.
    """
    row, column = tile.pairs_below(*radii)
    reaches = [radius.expand(tile.squared.shape)[row, column] for radius in radii]
    squared, tolerance = tile.measured(row, column), tile.tolerance[row].double()
    row, column = row + tile.rows.start, column + tile.columns.start
    return row, column, [_inside(reach, squared, tolerance, queries, row, vectors, column) for reach in reaches]


def _inside(
    radii: Tensor, squared: Tensor, tolerance: Tensor, queries: Tensor, row: Tensor, vectors: Tensor, column: Tensor
) -> Tensor:
    """Whether pairs lie within their radii, where rounding leaves it open by exact distances."""
    inside = squared < radii - tolerance
    near = torch.nonzero((squared - radii).abs() <= tolerance).flatten()
    exact = squared_distances(queries, row[near], vectors, column[near, None])[:, 0]
    inside[near] = exact <= radii[near]
    return inside
