"""Feature vectors and their exact distances: what the parts of the neighbour search share."""

import functools
import warnings
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

Features = np.ndarray | Tensor
"""Feature vectors ``[N, D]``, a row an image, finite, in any floating type; numpy or torch."""

CACHE_BYTES = 2**21
"""Size of the float64 pieces in which a processor measures exact distances: what its cache holds."""


class Tile(NamedTuple):
    """Squared distances between some queries and some vectors of an index.

    Attributes:
        rows: which queries.
        columns: which vectors of the index.
        squared: float32 ``[R, C]``.
        tolerance: the error that a row of them may have ``[R]``, and that of :meth:`measured`.
        points: of lower bounds of the squared distances, what to measure pairs by: centred float32 vectors of the rows
            ``[R, D]`` and of the columns ``[C, D]``.
        norms: their squared lengths, ``[R]`` and ``[C]``.
    """

    rows: slice
    columns: slice
    squared: Tensor
    tolerance: Tensor
    points: tuple[Tensor, Tensor] | None = None
    norms: tuple[Tensor, Tensor] | None = None

    def pairs_below(self, *radii: Tensor) -> tuple[Tensor, Tensor]:
        """Places ``[P]`` in the tile, rows and columns, of all pairs that may lie within one of the squared radii.

        Args:
            radii: float64, one a column ``[1, C]`` or one a row ``[R, 1]``.
        """
        row, column = torch.nonzero(functools.reduce(torch.logical_or, map(self._below, radii)), as_tuple=True)
        return row, column

    def measured(self, row: Tensor, column: Tensor) -> Tensor:
        """Squared distances, float64 ``[P]``, up to the tolerance, of pairs at these places, in order of rows."""
        if self.points is None or self.norms is None:
            return self.squared[row, column].double()
        return pairwise_squared_distances(self.points, self.norms, row, column)

    def _below(self, radii: Tensor) -> Tensor:
        # float32 rounds the radii too.
        tolerance = self.tolerance + torch.finfo(torch.float32).eps * radii.max().float()
        return self.squared <= radii.float() + (tolerance[:, None] if radii.shape[1] == 1 else tolerance.max())


def as_vectors(features: Features, name: str) -> Tensor:
    """``features`` as a floating tensor ``[N, D]``.

    Raises:
        ValueError: another shape, no vector, or values that are not finite.
    """
    vectors = torch.as_tensor(features).detach()
    if vectors.ndim != 2:
        raise ValueError(f"{name} must have shape [N, D], got {tuple(vectors.shape)}; flatten each image's features")
    if not vectors.is_floating_point():
        vectors = vectors.double()
    if not len(vectors):
        raise ValueError(f"{name} must hold at least one vector, got shape {tuple(vectors.shape)}")
    finite = torch.isfinite(torch.linalg.vector_norm(vectors, ord=torch.inf, dim=1))
    if not finite.all():
        rows = torch.nonzero(~finite).flatten()[:5].tolist()
        raise ValueError(f"{name} must be finite, got NaN or infinity in rows {rows}; drop or repair these images")
    return vectors


def squared_norms(vectors: Tensor) -> Tensor:
    """Squared lengths ``[N]``, summed in float64 and given in float32."""
    norms = torch.empty(len(vectors), device=vectors.device)
    for part in _pieces(len(vectors), vectors.shape[1], vectors.device):
        norms[part] = vectors[part].double().square_().sum(dim=1)
    return norms


def squared_distances(a: Tensor, rows: Tensor, b: Tensor, columns: Tensor) -> Tensor:
    """Squared distances of each ``a[rows]`` to its own ``b[columns]``, in float64.

    They come from differences, which are the same to the last bit whichever vector comes first: a point on the
    surface of a ball is in it. And they come in one small buffer that stays in a processor's cache, several times
    as fast as in large ones.

    Args:
        a: vectors ``[N, D]``.
        rows: indices ``[P]``.
        b: vectors ``[M, D]``.
        columns: indices ``[P, C]``.

    Returns:
        float64 ``[P, C]``.
    """
    (count, width), dimension = columns.shape, a.shape[1]
    squared = torch.empty(count, width, dtype=torch.float64, device=a.device)
    pieces = _pieces(count, width * dimension, a.device)
    buffer = torch.empty(pieces[0].stop if pieces else 0, width, dimension, dtype=torch.float64, device=a.device)
    for part in pieces:
        # index_select gathers rows several times as fast as indexing does.
        others = b.index_select(0, columns[part].flatten()).view(-1, width, dimension)
        difference = buffer[: len(others)].copy_(others)
        difference.sub_(a.index_select(0, rows[part]).double()[:, None])
        squared[part] = difference.square_().sum(dim=2)
    return squared


def pairwise_squared_distances(
    points: tuple[Tensor, Tensor], norms: tuple[Tensor, Tensor], rows: Tensor, columns: Tensor
) -> Tensor:
    """Squared distances of chosen pairs from float32 products of these alone, up to the rounding of such products.

    Args:
        points: centred float32 vectors ``[N, D]`` and ``[M, D]``.
        norms: their squared lengths, ``[N]`` and ``[M]``.
        rows: indices into the first ``[P]``, ascending.
        columns: indices into the second ``[P]``.

    Returns:
        float64 ``[P]``.
    """
    a, b = points
    if not len(rows):
        return torch.empty(0, dtype=torch.float64, device=a.device)
    starts = torch.zeros(len(a) + 1, dtype=torch.int64, device=a.device)
    starts[1:] = torch.bincount(rows, minlength=len(a)).cumsum(0)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Sparse CSR tensor support is in beta", UserWarning)
        pairs = torch.sparse_csr_tensor(
            starts, columns, a.new_zeros(len(rows)), size=(len(a), len(b)), check_invariants=False
        )
    products = torch.sparse.sampled_addmm(pairs, a, b.T, beta=0).values()
    return norms[0][rows].double() + norms[1][columns] - 2 * products.double()


def _pieces(count: int, numbers: int, device: torch.device) -> list[slice]:
    """``count`` rows of so many numbers each, in pieces that fit the cache."""
    size = CACHE_BYTES if device.type == "cpu" else 64 * CACHE_BYTES
    step = max(1, size // (8 * numbers))
    return [slice(start, min(start + step, count)) for start in range(0, count, step)]


class full_float32:
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
