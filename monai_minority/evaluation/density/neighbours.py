"""Exact nearest neighbours and ball membership among feature vectors, each found once for every measure."""

from collections.abc import Callable
from typing import Any

import numpy as np

from monai_minority.evaluation.density.balls import Balls, balls
from monai_minority.evaluation.density.nearest import Neighbours, nearest
from monai_minority.evaluation.density.short_points import points_of
from monai_minority.evaluation.density.vectors import Features, as_vectors

__all__ = ["Balls", "Features", "NeighbourIndex", "Neighbours", "as_index"]

BLOCK_BYTES = 4 * 2**20
"""Size of the block of distances that balls are looked up in. It, and not N squared, decides the memory of a search."""


class NeighbourIndex:
    """Feature vectors that can be asked, exactly and in flat memory, for neighbours and balls.

    Distances come from faiss, in float32 and of centred vectors. Whatever their rounding could decide wrongly is
    decided again: candidates are re-ranked by float64 differences of the original vectors, rows whose k-th place is
    not certain are searched again in float64, and so is each pair that lies near the surface of a ball. The result is
    that of a float64 search; peak memory is that of the vectors, their centred copy and a block of distances. Long
    vectors whose variance lies in few directions are searched by short points instead; see
    :class:`~monai_minority.evaluation.density.lower_bounds.Frame`. faiss uses as many threads as torch, and a GPU where
    its build for GPUs is installed.

    The measures of this package take an index in place of an array and then share its work. The vectors must not be
    changed afterwards.

    Args:
        features: vectors ``[N, D]``.
        k: neighbours to keep for each query (20 serve AvgkNN with k = 5 and LOF with k = 20); 0 keeps none.
        ball: the balls reach to this nearest neighbour (self excluded); 0 leaves balls out.
        block_bytes: size of a block of distances, in bytes.

    Raises:
        ValueError: ``features`` is not two-dimensional, has non-finite values, or has too few rows for ``k``
            or ``ball``.
    """

    def __init__(self, features: Features, k: int = 20, ball: int = 5, *, block_bytes: int = BLOCK_BYTES) -> None:
        self.vectors = as_vectors(features, "features")
        self.k, self.ball, self.block_bytes = k, ball, block_bytes
        if min(k, ball) < 0 or max(k, ball) < 1:
            raise ValueError(f"k and ball must not be negative and not both 0, got k={k} and ball={ball}")
        if len(self) <= max(k, ball):
            raise ValueError(
                f"{max(k, ball)} neighbours beside itself need at least {max(k, ball) + 1} vectors, got "
                f"{len(self)}; choose a smaller k or give more images"
            )
        self._points = points_of(self.vectors, max(k, ball))
        self._known: dict[tuple[str, int], tuple[Any, Any]] = {}

    def __len__(self) -> int:
        return len(self.vectors)

    @property
    def dimension(self) -> int:
        """Length of the vectors."""
        return self.vectors.shape[1]

    @property
    def own(self) -> Neighbours:
        """The ``max(k, ball)`` nearest neighbours of each vector among the others, computed once."""
        return self._once("neighbours", None, lambda: nearest(self._points, None, max(self.k, self.ball)))

    def neighbours(self, query: "Features | NeighbourIndex | None", k: int) -> Neighbours:
        """The ``k`` nearest vectors of this index to each query.

        Args:
            query: vectors ``[Q, D]`` or an index of them; ``None`` for this index's own vectors, each without
                itself.
            k: number of neighbours, at most the index's own ``k``.

        Raises:
            ValueError: ``k`` is beyond what the index keeps, or ``query`` has another dimension.
        """
        kept = max(self.k, self.ball) if query is None else self.k
        if not 1 <= k <= kept:
            raise ValueError(f"k must be in [1, {kept}], got {k}; build the index with k={k} or more")
        if query is None or query is self:
            return self.own.first(k)
        return self._once("neighbours", query, lambda: nearest(self._points, self._queries(query), self.k)).first(k)

    def balls(self, query: "Features | NeighbourIndex | None", k: int) -> Balls:
        """Membership of each query in the balls around this index's vectors, out to their ``k``-th
        neighbours.

        Args:
            query: vectors ``[Q, D]`` or an index of them (whose own balls then fill ``reached``); ``None``
                for this index's own vectors, each against the balls of the others.
            k: the index's own ``ball``.

        Raises:
            ValueError: ``k`` is not the index's ``ball``, or ``query`` has another dimension.
        """
        if k != self.ball:
            raise ValueError(f"k must equal the index's ball={self.ball}, got {k}; build the index with ball={k}")
        return self._once("balls", None if query is self else query, lambda: self._balls(query))

    def squared_radii(self) -> np.ndarray:
        """Squared radii of the balls ``[N]``, float64."""
        return self.own.squared[:, self.ball - 1]

    def _balls(self, query: "Features | NeighbourIndex | None") -> Balls:
        queries, radii = None, None
        if query is not None and query is not self:
            queries = self._queries(query)
            radii = query.squared_radii() if isinstance(query, NeighbourIndex) and query.ball else None
        return balls(self._points, queries, self.squared_radii(), radii, self.block_bytes)

    def _queries(self, query: "Features | NeighbourIndex") -> np.ndarray:
        queries = query.vectors if isinstance(query, NeighbourIndex) else as_vectors(query, "query")
        if queries.shape[1] != self.dimension:
            raise ValueError(
                f"query must have the index's dimension {self.dimension}, got {queries.shape[1]}; "
                "use the same feature extractor for both"
            )
        return queries

    def _once(self, kind: str, query: object, compute: Callable[[], Any]) -> Any:
        # The query is kept beside what was found, so that no other object takes its id.
        if (kind, id(query)) not in self._known:
            self._known[kind, id(query)] = query, compute()
        return self._known[kind, id(query)][1]


def as_index(features: Features | NeighbourIndex, *, k: int = 0, ball: int = 0) -> NeighbourIndex:
    """``features`` itself if it is an index, else a new one that keeps what is asked for."""
    return features if isinstance(features, NeighbourIndex) else NeighbourIndex(features, k=k, ball=ball)
