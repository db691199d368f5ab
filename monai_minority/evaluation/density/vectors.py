"""Feature vectors and their exact distances: what the parts of the neighbour search share."""

import functools
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
        tolerance: the error that a row of them may have ``[R]``.
        bound: whether they are lower bounds of the squared distances.
    """

    rows: slice
    columns: slice
    squared: Tensor
    tolerance: Tensor
    bound: bool = False

    def pairs_below(self, *radii: Tensor) -> tuple[Tensor, Tensor]:
        """Places ``[P]`` in the tile, rows and columns, of all pairs that may lie within one of the squared radii.

        Args:
            radii: float64, one a column ``[1, C]`` or one a row ``[R, 1]``.
        """
        row, column = torch.nonzero(functools.reduce(torch.logical_or, map(self._below, radii)), as_tuple=True)
        return row, column

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
    finite = torch.isfinite(vectors.sum(dim=1, dtype=torch.float64))
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
        difference = buffer[: len(columns[part])].copy_(b[columns[part]])
        difference.sub_(a[rows[part]].double()[:, None])
        squared[part] = difference.square_().sum(dim=2)
    return squared


def near_squared_distances(a: Tensor, rows: Tensor, b: Tensor, columns: Tensor) -> tuple[Tensor, float]:
    """Squared distances of each ``a[rows]`` to its ``b[columns]``, sooner, and their relative error.

    Vectors in single precision are subtracted in it, which rounds a difference by its own last bit, wherever the origin
    is. Longer numbers are measured as :func:`squared_distances` does.

    Args:
        a: vectors ``[N, D]``.
        rows: indices ``[P]``.
        b: vectors ``[M, D]``.
        columns: indices ``[P]``.

    Returns:
        float64 ``[P]``, and the error as a share of the distance.
    """
    if not a.dtype == b.dtype == torch.float32:
        return squared_distances(a, rows, b, columns[:, None])[:, 0], 0.0
    squared = torch.empty(len(rows), dtype=torch.float64, device=a.device)
    for part in _pieces(len(rows), 2 * a.shape[1], a.device):
        difference = b.index_select(0, columns[part]).sub_(a.index_select(0, rows[part]))
        squared[part] = torch.linalg.vector_norm(difference, dim=1).double().square_()
    # As for matrix products, sums of D terms err as sqrt(D); differences and roots bring a few roundings more.
    return squared, 4 * (a.shape[1] ** 0.5 + 4) * torch.finfo(torch.float32).eps / 2


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
