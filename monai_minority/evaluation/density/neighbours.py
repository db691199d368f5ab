"""Exact nearest neighbours and ball membership among feature vectors, computed once and shared by all measures."""

from collections.abc import Callable
from typing import Any

import numpy as np

from monai_minority.evaluation.density.balls import Balls, balls
from monai_minority.evaluation.density.nearest import Neighbours, nearest, points_of
from monai_minority.evaluation.density.vectors import Features, as_vectors

BLOCK_BYTES = 4 * 2**20
"""Size of a block of distances in the search of balls. It determines the memory of a search, which is not N squared."""


class NeighbourIndex:
    """Feature vectors with exact search for neighbours and balls, in constant memory beside the vectors.

    Distances come from faiss, in float32 and for centred vectors. Decisions that rounding could change are made again:
    candidates are re-ranked by float64 differences of the original vectors; rows with an uncertain k-th place, and
    pairs near the surface of a ball, are searched again in float64. The result equals that of a float64 search. Peak
    memory is that of the vectors, their centred copy and one block of distances. Long vectors with most variance in few
    directions are searched by short points; see :class:`~monai_minority.evaluation.density.lower_bounds.Frame`. faiss
    uses as many threads as torch, and a GPU if its GPU build is installed.

    The measures of this package accept an index in place of an array and share its results. The vectors must not change
    afterwards.

    Args:
        features: vectors ``[N, D]``.
        k: number of neighbours to keep for each query (20 suffice for AvgkNN with k = 5 and LOF with k = 20); 0 keeps
            none.
        ball: nearest neighbour that the balls extend to, without the vector itself; 0 leaves balls out.
        block_bytes: size of a block of distances, in bytes.

    Raises:
        ValueError: ``features`` is not two-dimensional, has non-finite values, or has too few rows for ``k``
            or ``ball``.

    Example:
        >>> import numpy as np
        >>> from monai_minority.evaluation.density import NeighbourIndex, average_knn, rarity
        >>> index = NeighbourIndex(np.array([[0.0], [1.0], [3.0]]), k=2, ball=1)
        >>> query = np.array([[2.5]])
        >>> average_knn(index, query, k=2).item(), rarity(index, query, k=1).item()  # one search for each
        (1.0, 2.0)
    """

    def __init__(self, features: Features, k: int = 20, ball: int = 5, *, block_bytes: int = BLOCK_BYTES) -> None:
        self.vectors = as_vectors(features, "features")
        self.k, self.ball, self.block_bytes = k, ball, block_bytes
        if min(k, ball) < 0 or max(k, ball) < 1:
            raise ValueError(f"k and ball must not be negative and not both 0, got k={k} and ball={ball}")
        if len(self) <= max(k, ball):
            raise ValueError(
                f"{max(k, ball)} neighbours besides the vector itself need at least {max(k, ball) + 1} vectors, got "
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
            query: vectors ``[Q, D]`` or an index of them; ``None`` takes each vector of this index among the others.
            k: number of neighbours, at most the ``k`` of the index.

        Raises:
            ValueError: ``k`` is larger than that of the index, or ``query`` has another dimension.
        """
        kept = max(self.k, self.ball) if query is None else self.k
        if not 1 <= k <= kept:
            raise ValueError(f"k must be in [1, {kept}], got {k}; build the index with k={k} or more")
        if query is None or query is self:
            return self.own.first(k)
        return self._once("neighbours", query, lambda: nearest(self._points, self._queries(query), self.k)).first(k)

    def balls(self, query: "Features | NeighbourIndex | None", k: int) -> Balls:
        """Membership of each query in the balls around this index's vectors, which extend to their ``k``-th neighbours.

        Args:
            query: vectors ``[Q, D]`` or an index of them, whose own balls give ``reached``; ``None`` takes each vector
                of this index against the balls of the others.
            k: the ``ball`` of the index.

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
        # The query is kept with the result, so that no other object can get its id.
        if (kind, id(query)) not in self._known:
            self._known[kind, id(query)] = query, compute()
        return self._known[kind, id(query)][1]


def as_index(features: Features | NeighbourIndex, *, k: int = 0, ball: int = 0) -> NeighbourIndex:
    """``features`` itself if it is an index, otherwise a new index with ``k`` and ``ball``."""
    return features if isinstance(features, NeighbourIndex) else NeighbourIndex(features, k=k, ball=ball)
