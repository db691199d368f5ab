"""Exact nearest neighbours and ball membership among feature vectors, in one search for every measure."""

from collections.abc import Iterator
from math import isqrt

import torch
from torch import Tensor

from monai_minority.evaluation.density.ball_tally import Balls, BallTally, pairs_within
from monai_minority.evaluation.density.nearest import SPARE, NearestCandidates, Neighbours
from monai_minority.evaluation.density.nearest_within import NearestWithin
from monai_minority.evaluation.density.sketch import worthwhile_sketch
from monai_minority.evaluation.density.vectors import (
    Features,
    Tile,
    as_vectors,
    full_float32,
    pairwise_squared_distances,
    squared_norms,
)

__all__ = ["Balls", "Features", "NeighbourIndex", "Neighbours", "as_index"]

BLOCK_BYTES = 4 * 768**2
"""Size of one tile of squared distances on a processor, 16 times as much on a GPU. It, and not N squared, decides the
memory of a search. Small tiles stay in the cache, and of the distances among the same vectors fewer are computed twice:
those in the tiles on the diagonal. Smaller ones yet slow the products."""


class NeighbourIndex:
    """Feature vectors that can be asked, exactly and in flat memory, for neighbours and balls.

    Distances come from blocked float32 matrix products of centred vectors. Whatever their rounding could
    decide wrongly is decided again: candidates are re-ranked by float64 differences of the original vectors,
    rows whose k-th place is not certain are searched again in float64, and so is each pair that lies on the
    surface of a ball. The result is that of a float64 search; peak memory is that of the vectors, their
    centred copy and two tiles of distances. Long vectors whose variance lies in few directions are compared by their
    :class:`~monai_minority.evaluation.density.sketch.Sketch` first, and only pairs that it leaves in are multiplied.

    The measures of this package take an index in place of an array and then share its work: with two indices,
    one of real and one of generated images, AvgkNN, LOF, Rarity, precision, recall, density and coverage
    together cost one matrix product and two halves: distances among the same vectors are computed once a pair,
    and the balls of the vectors themselves are read off their neighbours. The vectors must not be changed afterwards.

    Args:
        features: vectors ``[N, D]``.
        k: neighbours to keep for each query (20 serve AvgkNN with k = 5 and LOF with k = 20); 0 keeps none.
        ball: the balls reach to this nearest neighbour (self excluded); 0 leaves balls out.
        device: where to search; by default the device of ``features`` if a tensor, else CUDA where present.
        block_bytes: size of a tile of distances, in bytes; ``None``: ``BLOCK_BYTES`` or its multiple.

    Raises:
        ValueError: ``features`` is not two-dimensional, has non-finite values, or has too few rows for ``k``
            or ``ball``.
    """

    def __init__(
        self,
        features: Features,
        k: int = 20,
        ball: int = 5,
        *,
        device: torch.device | str | None = None,
        block_bytes: int | None = None,
    ) -> None:
        if device is None and not isinstance(features, Tensor):
            device = "cuda" if torch.cuda.is_available() else "cpu"
        self.vectors = as_vectors(features, "features").to(device)
        self.k, self.ball = k, ball
        self.block_bytes = block_bytes or BLOCK_BYTES * (1 if self.vectors.device.type == "cpu" else 16)
        if min(k, ball) < 0 or max(k, ball) < 1:
            raise ValueError(f"k and ball must not be negative and not both 0, got k={k} and ball={ball}")
        if len(self) <= max(k, ball):
            raise ValueError(
                f"{max(k, ball)} neighbours beside itself need at least {max(k, ball) + 1} vectors, got "
                f"{len(self)}; choose a smaller k or give more images"
            )
        self._side = max(16, isqrt(self.block_bytes // 4))
        self._centre = self.vectors.mean(dim=0).float()
        self._sketch = worthwhile_sketch(self.vectors, self._centre)
        self._points = self._points_of(self.vectors)
        self._sketches = self._points if self._sketch is None else self._sketch(self.vectors)
        self._norms = squared_norms(self._sketches)  # those of the vectors: a sketch is as long
        self._own: Neighbours | None = None
        self._compared: list[tuple[object, tuple[Neighbours | None, Balls | None]]] = []

    def __len__(self) -> int:
        return len(self.vectors)

    @property
    def dimension(self) -> int:
        """Length of the vectors."""
        return self.vectors.shape[1]

    @property
    def own(self) -> Neighbours:
        """The ``max(k, ball + 1)`` nearest neighbours of each vector among the others, computed once."""
        if self._own is None:
            # One beyond the ball shows whether another vector lies on its surface.
            kept = min(max(self.k, self.ball + 1), len(self) - 1)
            nearest = self._candidates(self.vectors, kept, own=True)
            for tile in self._own_tiles():
                nearest.add(tile.rows, tile.columns, tile.squared)
            within = self._within(nearest, self._norms)
            if within is not None:
                for tile in self._tiles(self.vectors, own=True):
                    within.add(tile, mirrored=tile.rows != tile.columns)
            self._own = self._neighbours(within or nearest, self._norms)
        return self._own

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
        neighbours, _ = self._compare(query)
        assert neighbours is not None
        return neighbours.first(k)

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
        _, balls = self._compare(self if query is None else query)
        assert balls is not None
        return balls

    def squared_radii(self) -> Tensor:
        """Squared radii of the balls ``[N]``, float64, on the index's device."""
        return torch.as_tensor(self.own.squared[:, self.ball - 1]).to(self.vectors.device)

    def _compare(self, query: "Features | NeighbourIndex") -> tuple[Neighbours | None, Balls | None]:
        for known, comparison in self._compared:
            if known is query:
                return comparison
        comparison = (None, self._own_balls()) if query is self else self._search(query)
        self._compared.append((query, comparison))
        return comparison

    def _search(self, query: "Features | NeighbourIndex") -> tuple[Neighbours | None, Balls | None]:
        """Neighbours and balls from the same pass over all distances."""
        device, radii = self.vectors.device, None
        if isinstance(query, NeighbourIndex):
            queries = query.vectors.to(device)
            radii = query.squared_radii().to(device) if query.ball and self.ball else None
        else:
            queries = as_vectors(query, "query").to(device)
        if queries.shape[1] != self.dimension:
            raise ValueError(
                f"query must have the index's dimension {self.dimension}, got {queries.shape[1]}; "
                "use the same feature extractor for both"
            )
        nearest = self._candidates(queries, self.k, own=False) if self.k else None
        balls = BallTally(queries, self.vectors, self.squared_radii(), radii) if self.ball else None
        norms = torch.empty(len(queries), device=device)
        for tile in self._tiles(queries, norms=norms):
            if nearest is not None:
                nearest.add(tile.rows, tile.columns, tile.squared)
            if balls is not None:
                balls.add(tile)
        within = None if nearest is None else self._within(nearest, norms)
        if within is not None:
            for tile in self._tiles(queries):
                within.add(tile)
        found = None if nearest is None else self._neighbours(within or nearest, norms)
        return found, None if balls is None else balls.result()

    def _own_balls(self) -> Balls:
        """Balls of these vectors by each other: a vector's ball holds its own neighbours and no search is needed."""
        own, radii = self.own, self.squared_radii()
        tally = BallTally(self.vectors, self.vectors, radii)
        squared = torch.as_tensor(own.squared).to(radii.device)
        members = torch.as_tensor(own.indices).to(radii.device)
        crowded = torch.zeros_like(radii, dtype=torch.bool)
        if squared.shape[1] < len(self) - 1:
            # All the neighbours kept lie in the ball, so there may be more: copies, or points on its surface.
            crowded = squared[:, -1] <= radii
        ball, place = torch.nonzero((squared <= radii[:, None]) & ~crowded[:, None], as_tuple=True)
        tally.note(members[ball, place], ball)
        rows = torch.nonzero(crowded).flatten()
        if len(rows):
            centres = self.vectors[rows]
            for tile in self._tiles(centres):
                ball, member, (held,) = pairs_within(tile, centres, self.vectors, radii[rows][tile.rows][:, None])
                other = held & (rows[ball] != member)
                tally.note(member[other], rows[ball[other]])
        return tally.result()

    def _candidates(self, queries: Tensor, k: int, *, own: bool) -> NearestCandidates:
        # Those of sketches need no spare ones: they are only a radius to search within.
        spare = SPARE if self._sketch is None else 0
        return NearestCandidates(queries, self.vectors, k, own=own, spare=spare)

    def _within(self, nearest: NearestCandidates, norms: Tensor) -> NearestWithin | None:
        """Of sketches, a second search within the distance of the k that lie nearest by them; else none is needed."""
        if self._sketch is None:
            return None
        radii = torch.empty(len(norms), dtype=torch.float64, device=norms.device)
        for rows in self._blocks(nearest.queries):
            points = self._points[rows] if nearest.own else self._points_of(nearest.queries[rows])
            candidates = nearest.indices[rows, : nearest.k]
            places = torch.arange(len(points), device=norms.device).repeat_interleave(nearest.k)
            near = pairwise_squared_distances(
                (points, self._points), (norms[rows], self._norms), places, candidates.flatten()
            )
            radii[rows] = near.view_as(candidates).amax(dim=1)
        radii += self._tolerance(norms, self._norms.max().sqrt())
        return NearestWithin(nearest.queries, self.vectors, nearest.k, radii)

    def _own_tiles(self) -> Iterator[Tile]:
        """Tiles of the vectors with themselves, and each one beside the diagonal mirrored as well."""
        for tile in self._tiles(self.vectors, own=True):
            yield tile
            if tile.rows != tile.columns:
                tolerance = self._tolerance(self._norms[tile.columns], self._norms.max().sqrt())
                yield Tile(tile.columns, tile.rows, tile.squared.T.contiguous(), tolerance)

    def _tiles(self, queries: Tensor, *, own: bool = False, norms: Tensor | None = None) -> Iterator[Tile]:
        """Yield tiles of distances, each valid until the next; of these vectors' own, one of each mirrored two.

        ``norms`` ``[Q]`` is filled with the squared lengths of the centred queries.
        """
        buffer = torch.empty(min(self._side, len(queries)) * min(self._side, len(self)), device=self.vectors.device)
        longest = self._norms.max().sqrt()
        with full_float32(self.vectors.device.type):
            for rows in self._blocks(queries):
                points = self._points[rows] if own else self._points_of(queries[rows])
                sketches = points
                if self._sketch is not None:
                    sketches = self._sketches[rows] if own else self._sketch(queries[rows])
                lengths = self._norms[rows] if own else squared_norms(sketches)
                if norms is not None:
                    norms[rows] = lengths
                tolerance = self._tolerance(lengths, longest)
                for columns in self._blocks(self.vectors, rows.start if own else 0):
                    shape = (len(points), columns.stop - columns.start)
                    squared = buffer[: shape[0] * shape[1]].view(shape)
                    torch.add(lengths[:, None], self._norms[columns], out=squared)
                    squared.addmm_(sketches, self._sketches[columns].T, alpha=-2)
                    if own and rows == columns:
                        squared.fill_diagonal_(torch.inf)
                    if self._sketch is None:
                        yield Tile(rows, columns, squared, tolerance)
                    else:
                        pair = (points, self._points[columns]), (lengths, self._norms[columns])
                        yield Tile(rows, columns, squared, tolerance, *pair)

    def _blocks(self, vectors: Tensor, start: int = 0) -> Iterator[slice]:
        """Rows of a tile each, from ``start`` on, which is a multiple of their number."""
        for top in range(start, len(vectors), self._side):
            yield slice(top, min(top + self._side, len(vectors)))

    def _tolerance(self, norms: Tensor, longest: Tensor) -> Tensor:
        """The error that float32 distances of queries with these squared lengths may have ``[R]``."""
        # Rounding errors of a dot product of D terms grow as sqrt(D) (Higham & Mary, 2019); 4 is their safety
        # factor, and the norms bring one more rounding each.
        unit = 4 * (self.dimension**0.5 + 2) * torch.finfo(torch.float32).eps / 2
        return unit * (norms.sqrt() + longest).square()

    def _neighbours(self, nearest: NearestCandidates | NearestWithin, norms: Tensor) -> Neighbours:
        if isinstance(nearest, NearestWithin):
            squared, indices = nearest.result()
        else:
            squared, indices = nearest.result(self._tolerance(norms, self._norms.max().sqrt()), self._centre)
        return Neighbours(squared.cpu().numpy(), indices.cpu().numpy())

    def _points_of(self, vectors: Tensor) -> Tensor:
        """The vectors about the centre, in float32."""
        # Centring takes away the common part of the vectors, which is where float32 would lose its digits.
        return (vectors - self._centre).float()


def as_index(features: Features | NeighbourIndex, *, k: int = 0, ball: int = 0) -> NeighbourIndex:
    """``features`` itself if it is an index, else a new one that keeps what is asked for."""
    return features if isinstance(features, NeighbourIndex) else NeighbourIndex(features, k=k, ball=ball)
