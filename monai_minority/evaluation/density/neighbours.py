"""Exact nearest neighbours and ball membership among feature vectors, in one search for every measure."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

Features = np.ndarray | Tensor
"""Feature vectors ``[N, D]``, a row an image, finite, in any floating type; numpy or torch."""

BLOCK_BYTES = 64 * 2**20
"""Size of one block of squared distances. It, and not N squared, decides the memory of a search."""

SPARE = 4
"""Candidates taken beyond k in float32, so that rounding near the k-th place can be seen and repaired."""


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


class _Comparison(NamedTuple):
    neighbours: Neighbours | None
    balls: Balls | None


class NeighbourIndex:
    """Feature vectors that can be asked, exactly and in flat memory, for neighbours and balls.

    Distances come from blocked float32 matrix products of centred vectors. Whatever their rounding could
    decide wrongly is decided again: candidates are re-ranked by float64 differences of the original vectors,
    rows whose k-th place is not certain are searched again in float64, and so is each pair that lies on the
    surface of a ball. The result is that of a float64 search; peak memory is that of the vectors and one
    block.

    The measures of this package take an index in place of an array and then share its work: with two indices,
    one of real and one of generated images, AvgkNN, LOF, Rarity, precision, recall, density and coverage
    together cost three matrix products. The vectors must not be changed afterwards.

    Args:
        features: vectors ``[N, D]``.
        k: neighbours to keep for each query (20 serve AvgkNN with k = 5 and LOF with k = 20); 0 keeps none.
        ball: the balls reach to this nearest neighbour (self excluded); 0 leaves balls out.
        device: where to search; by default the device of ``features`` if a tensor, else CUDA where present.
        block_bytes: size of a block of distances, in bytes.

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
        block_bytes: int = BLOCK_BYTES,
    ) -> None:
        if device is None and not isinstance(features, Tensor):
            device = "cuda" if torch.cuda.is_available() else "cpu"
        self.vectors = _as_vectors(features, "features").to(device)
        self.k, self.ball, self.block_bytes = k, ball, block_bytes
        if min(k, ball) < 0 or max(k, ball) < 1:
            raise ValueError(f"k and ball must not be negative and not both 0, got k={k} and ball={ball}")
        if len(self) <= max(k, ball):
            raise ValueError(
                f"{max(k, ball)} neighbours beside itself need at least {max(k, ball) + 1} vectors, got "
                f"{len(self)}; choose a smaller k or give more images"
            )
        self._centre = self.vectors.mean(dim=0, dtype=torch.float64).float()
        self._centred = self._centred_float32(self.vectors)
        self._norms = self._centred.double().square().sum(dim=1).float()
        self._own: Neighbours | None = None
        self._compared: list[tuple[object, _Comparison]] = []

    def __len__(self) -> int:
        return len(self.vectors)

    @property
    def dimension(self) -> int:
        """Length of the vectors."""
        return self.vectors.shape[1]

    @property
    def own(self) -> Neighbours:
        """The ``max(k, ball)`` nearest neighbours of each vector among the others, computed once."""
        if self._own is None:
            self._own = self._search(self.vectors, max(self.k, self.ball), own=True, balls=False).neighbours
        assert self._own is not None
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
        if query is None:
            return self.own.first(k)
        neighbours = self._compare(query).neighbours
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
        balls = self._compare(self if query is None else query).balls
        assert balls is not None
        return balls

    def squared_radii(self) -> Tensor:
        """Squared radii of the balls ``[N]``, float64, on the index's device."""
        return torch.as_tensor(self.own.squared[:, self.ball - 1]).to(self.vectors.device)

    def _compare(self, query: "Features | NeighbourIndex") -> _Comparison:
        for known, comparison in self._compared:
            if known is query:
                return comparison
        if isinstance(query, NeighbourIndex):
            vectors = query.vectors.to(self.vectors.device)
            radii = query.squared_radii().to(vectors.device) if query.ball and query is not self else None
        else:
            vectors, radii = _as_vectors(query, "query").to(self.vectors.device), None
        if vectors.shape[1] != self.dimension:
            raise ValueError(
                f"query must have the index's dimension {self.dimension}, got {vectors.shape[1]}; "
                "use the same feature extractor for both"
            )
        comparison = self._search(
            vectors, self.k, own=query is self, balls=self.ball > 0, query_radii=radii if self.ball else None
        )
        self._compared.append((query, comparison))
        return comparison

    @torch.no_grad()
    def _search(
        self, queries: Tensor, k: int, *, own: bool, balls: bool, query_radii: Tensor | None = None
    ) -> _Comparison:
        squared: list[Tensor] = []
        indices: list[Tensor] = []
        tally = _BallTally(self, queries, query_radii) if balls else None
        for rows, block, tolerance in self._blocks(queries):
            own_rows = torch.arange(rows.start, rows.stop, device=block.device) if own else None
            if own_rows is not None:
                block.scatter_(1, own_rows[:, None], torch.inf)
            if k:
                nearest = self._nearest(queries[rows], block, tolerance, k, own_rows)
                squared.append(nearest[0])
                indices.append(nearest[1])
            if tally is not None:
                tally.add(rows, block, tolerance)
        neighbours = Neighbours(torch.cat(squared).cpu().numpy(), torch.cat(indices).cpu().numpy()) if k else None
        return _Comparison(neighbours, tally.result() if tally is not None else None)

    def _blocks(self, queries: Tensor) -> Iterator[tuple[slice, Tensor, Tensor]]:
        """Yield rows of queries, float32 squared distances ``[B, N]`` and the error they may have ``[B]``."""
        height = max(16, min(len(queries), self.block_bytes // (4 * len(self))))
        buffer = torch.empty(height, len(self), device=self.vectors.device)
        # Rounding errors of a dot product of D terms grow as sqrt(D) (Higham & Mary, 2019); 4 is their safety
        # factor, and the norms bring one more rounding each.
        unit = 4 * (self.dimension**0.5 + 2) * torch.finfo(torch.float32).eps / 2
        longest = self._norms.max().sqrt()
        with _full_float32(self.vectors.device.type):
            for start in range(0, len(queries), height):
                rows = slice(start, min(start + height, len(queries)))
                centred = self._centred_float32(queries[rows])
                norms = centred.double().square().sum(dim=1).float()
                block = torch.add(norms[:, None], self._norms, out=buffer[: len(centred)])
                block.addmm_(centred, self._centred.T, alpha=-2)
                yield rows, block, unit * (norms.sqrt() + longest).square()

    def _nearest(
        self, queries: Tensor, block: Tensor, tolerance: Tensor, k: int, own_rows: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        candidates = min(k + SPARE, len(self))
        approximate, indices = torch.topk(block, candidates, dim=1, largest=False)
        squared, indices = self._exact_order(queries, indices, k, own_rows)
        if candidates < len(self):
            # A vector that is no candidate is at least this far away.
            elsewhere = approximate[:, -1] - tolerance
            doubtful = torch.nonzero((squared[:, -1] > elsewhere) & (squared[:, -1] > 0)).flatten()
            for row in doubtful.split(max(1, self.block_bytes // (8 * len(self)))):
                own = None if own_rows is None else own_rows[row]
                squared[row], indices[row] = self._nearest_in_float64(queries[row], k, own)
        return squared, indices

    def _exact_order(
        self, queries: Tensor, candidates: Tensor, k: int, own_rows: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        candidates = candidates.sort(dim=1).values  # equal distances then stay in the order of their rows
        squared = torch.empty(candidates.shape, dtype=torch.float64, device=candidates.device)
        chunk = max(1, self.block_bytes // (64 * candidates.shape[1] * self.dimension))
        for start in range(0, len(queries), chunk):
            part = slice(start, start + chunk)
            squared[part] = _squared_differences(queries[part][:, None], self.vectors[candidates[part]])
        if own_rows is not None:
            squared[candidates == own_rows[:, None]] = torch.inf
        squared, order = squared.sort(dim=1, stable=True)
        return squared[:, :k], candidates.gather(1, order[:, :k])

    def _nearest_in_float64(self, queries: Tensor, k: int, own_rows: Tensor | None) -> tuple[Tensor, Tensor]:
        """The same search in float64, for queries that float32 could not settle."""
        centred = queries.double() - self._centre
        squared = torch.empty(len(queries), len(self), dtype=torch.float64, device=queries.device)
        width = max(1, self.block_bytes // (16 * self.dimension))
        for start in range(0, len(self), width):
            part = slice(start, start + width)
            others = self.vectors[part].double() - self._centre
            squared[:, part] = others.square().sum(dim=1) - 2 * centred @ others.T
        if own_rows is not None:
            squared[torch.arange(len(queries)), own_rows] = torch.inf
        candidates = torch.topk(squared, min(k + SPARE, len(self)), dim=1, largest=False).indices
        return self._exact_order(queries, candidates, k, own_rows)

    def _centred_float32(self, vectors: Tensor) -> Tensor:
        # Centring takes away the common part of the vectors, which is where float32 would lose its digits.
        return (vectors - self._centre).float()


class _BallTally:
    """Ball membership gathered block by block."""

    def __init__(self, index: NeighbourIndex, queries: Tensor, query_radii: Tensor | None) -> None:
        device = queries.device
        self.index, self.queries = index, queries
        self.radii, self.query_radii = index.squared_radii(), query_radii
        self.radii32 = self.radii.float()
        self.smallest = torch.full((len(queries),), torch.inf, dtype=torch.float64, device=device)
        self.count = torch.zeros(len(queries), dtype=torch.int64, device=device)
        self.occupied = torch.zeros(len(index), dtype=torch.bool, device=device)
        self.reached = None if query_radii is None else torch.zeros_like(self.occupied)

    def add(self, rows: slice, block: Tensor, tolerance: Tensor) -> None:
        """Count a block of float32 squared distances in."""
        # float32 rounds the radii too; their error is bounded by that of the distances they came from.
        tolerance = tolerance + torch.finfo(torch.float32).eps * self.radii32.max()
        possible = torch.nonzero(block - self.radii32 <= tolerance[:, None])
        row, column = self._settle(rows, block, tolerance, possible, self.radii[possible[:, 1]])
        self.smallest[rows].scatter_reduce_(0, row, self.radii[column], "amin")
        self.count[rows] += torch.bincount(row, minlength=len(block))
        self.occupied[column] = True
        if self.query_radii is not None and self.reached is not None:
            radii = self.query_radii[rows]
            tolerance = tolerance + torch.finfo(torch.float32).eps * radii.max()
            possible = torch.nonzero(block <= (radii + tolerance)[:, None])
            _, column = self._settle(rows, block, tolerance, possible, radii[possible[:, 0]])
            self.reached[column] = True

    def _settle(
        self, rows: slice, block: Tensor, tolerance: Tensor, pairs: Tensor, radii: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Keep the pairs that truly lie in the ball; those near its surface are measured in float64."""
        row, column = pairs.unbind(dim=1)
        inside = block[row, column] < radii - tolerance[row]
        near = torch.nonzero(~inside).flatten()
        for part in near.split(max(1, self.index.block_bytes // (64 * self.index.dimension))):
            exact = _squared_differences(self.queries[rows][row[part]], self.index.vectors[column[part]])
            inside[part] = exact <= radii[part]
        return row[inside], column[inside]

    def result(self) -> Balls:
        """Everything counted, as arrays."""
        smallest = torch.where(self.count > 0, self.smallest.sqrt(), torch.nan)
        reached = None if self.reached is None else self.reached.cpu().numpy()
        return Balls(smallest.cpu().numpy(), self.count.cpu().numpy(), self.occupied.cpu().numpy(), reached)


def as_index(features: Features | NeighbourIndex, *, k: int = 0, ball: int = 0) -> NeighbourIndex:
    """``features`` itself if it is an index, else a new one that keeps what is asked for."""
    return features if isinstance(features, NeighbourIndex) else NeighbourIndex(features, k=k, ball=ball)


def _squared_differences(a: Tensor, b: Tensor) -> Tensor:
    # Differences are the same, to the last bit, whichever vector comes first: a point on the surface of a
    # ball is in it.
    return (a.double() - b.double()).square_().sum(dim=-1)


def _as_vectors(features: Features, name: str) -> Tensor:
    vectors = torch.as_tensor(features).detach()
    if vectors.ndim != 2:
        raise ValueError(f"{name} must have shape [N, D], got {tuple(vectors.shape)}; flatten each image's features")
    if not vectors.is_floating_point():
        vectors = vectors.double()
    if not len(vectors):
        raise ValueError(f"{name} must hold at least one vector, got shape {tuple(vectors.shape)}")
    finite = torch.isfinite(vectors.sum(dim=1, dtype=torch.float64))
    if not finite.all():
        rows = torch.nonzero(~finite).flatten()[:5].tolist()
        raise ValueError(f"{name} must be finite, got NaN or infinity in rows {rows}; drop or repair these images")
    return vectors


class _full_float32:
    """Matrix products in whole float32, whatever precision or autocast the caller has chosen."""

    def __init__(self, device_type: str) -> None:
        self.autocast = torch.autocast(device_type, enabled=False)

    def __enter__(self) -> None:
        self.precision = torch.get_float32_matmul_precision()
        torch.set_float32_matmul_precision("highest")
        self.autocast.__enter__()

    def __exit__(self, *error) -> None:
        self.autocast.__exit__(*error)
        torch.set_float32_matmul_precision(self.precision)
