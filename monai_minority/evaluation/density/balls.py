"""Membership in balls: distances of points exclude most pairs, and exact distances decide the rest."""

from dataclasses import dataclass

import numpy as np

from monai_minority.evaluation.density.lower_bounds import Points
from monai_minority.evaluation.density.vectors import squared_distances


@dataclass(frozen=True)
class Balls:
    """Membership of queries in the closed k-nearest-neighbour balls of an index, and the reverse.

    Attributes:
        smallest_radius: radius of the smallest ball of the index that holds the query ``[Q]``; NaN if none does.
        count: number of balls of the index that hold the query ``[Q]``, int64.
        occupied: whether the ball of a row of the index holds any query ``[N]``, bool.
        reached: whether a row of the index lies in the ball of any query ``[N]``, bool; ``None`` if the queries are
            plain vectors, which have no balls.

    Example:
        >>> import numpy as np
        >>> from monai_minority.evaluation.density import NeighbourIndex
        >>> real = NeighbourIndex(np.array([[0.0], [1.0], [3.0]]), k=0, ball=1)  # balls of radius 1, 1 and 2
        >>> found = real.balls(np.array([[0.5], [9.0]]), 1)
        >>> found.count.tolist(), found.smallest_radius.tolist(), found.occupied.tolist()
        ([2, 0], [1.0, nan], [True, True, False])
    """

    smallest_radius: np.ndarray
    count: np.ndarray
    occupied: np.ndarray
    reached: np.ndarray | None


def balls(
    index: Points, queries: np.ndarray | None, radii: np.ndarray, query_radii: np.ndarray | None, block_bytes: int
) -> Balls:
    """Membership of queries in the balls of an index.

    Args:
        index: centres of the balls, and their points.
        queries: vectors ``[Q, D]``; ``None`` takes each vector of the index against the balls of the others.
        radii: squared radii of the balls ``[N]``, float64.
        query_radii: squared radii of the balls around the queries ``[Q]``, or ``None``.
        block_bytes: size of a block of distances, in bytes.
    """
    (size, dimension), count = index.vectors.shape, len(index.vectors if queries is None else queries)
    smallest, counts = np.full(count, np.inf), np.zeros(count, np.int64)
    occupied, reached = np.zeros(size, bool), None if query_radii is None else np.zeros(size, bool)
    reach = index.frame.reach(radii, index.lengths).astype(np.float32)
    step = max(1, block_bytes // (4 * max(size, dimension)))
    for start in range(0, count, step):
        rows = np.arange(start, min(start + step, count))
        part = index.part(rows) if queries is None else index.frame.place(queries[rows])
        points = index.distances(part)
        own_reach = np.full(len(rows), -np.inf, np.float32)
        if query_radii is not None:
            own_reach = index.frame.reach(query_radii[rows], part.lengths).astype(np.float32)
        row, column = np.nonzero(points <= np.maximum(reach, own_reach[:, None]))
        if queries is None:
            row, column = (places[rows[row] != column] for places in (row, column))
        bounds = points[row, column]
        # A pair needs no exact distance if its upper bound is within the radius or its lower bound is beyond it.
        squared = index.upper_bounds(part, row, column, bounds)
        measured = (bounds <= reach[column]) & (squared > radii[column])
        if query_radii is not None:
            measured |= (bounds <= own_reach[row]) & (squared > query_radii[rows[row]])
        squared[measured] = squared_distances(part.vectors, row[measured], index.vectors, column[measured])
        held = squared <= radii[column]
        query, ball = rows[row[held]], column[held]
        np.minimum.at(smallest, query, radii[ball])
        counts += np.bincount(query, minlength=count)
        occupied[ball] = True
        if reached is not None and query_radii is not None:
            reached[column[squared <= query_radii[rows[row]]]] = True
    return Balls(np.where(counts > 0, np.sqrt(smallest), np.nan), counts, occupied, reached)
