"""Float32 points. Their distances, as faiss computes them, bound those of the vectors up to a known rounding error."""

from typing import NamedTuple

import faiss
import numpy as np
import torch
from torch import Tensor

_PIECE_BYTES = 2**22
"""Size of the float64 copies from which points are computed."""

_GPU_WIDTH = 1024
"""Largest number of neighbours that faiss finds on a GPU."""


class Frame:
    """The coordinate system of float32 points: a centre, and the axes or a few directions.

    A point is the vector minus the centre. The subtraction removes the common part, which would cost float32 its
    digits. With directions, the last coordinate of a point is the length of the remainder that the directions do not
    cover. The distance between two remainders is at least the difference of their lengths (triangle inequality), so
    distances of points never exceed those of the vectors. They are close where few directions have most of the
    variance, as in learned features.

    Args:
        centre: approximate middle of the vectors, float64 ``[D]``.
        directions: orthonormal directions, float64 ``[D, d]``; ``None`` takes the axes.
    """

    def __init__(self, centre: np.ndarray, directions: Tensor | None = None) -> None:
        self.centre, self.directions = torch.from_numpy(centre), directions
        self.width = len(centre) if directions is None else directions.shape[1] + 1
        # The error of a float32 product of d terms exceeds 8 sqrt(d) units once in 10^13 (Higham & Mary, 2019), and so
        # does that of the squared lengths that faiss adds. The rest allows for rounded points and comparisons.
        self.error = (16 * self.width**0.5 + 96) * 2.0**-24
        self.underflow = self.width * 1e-37

    def place(self, vectors: np.ndarray) -> "Points":
        """The points of vectors ``[N, D]``."""
        points = torch.empty(len(vectors), self.width)
        squared, rest = torch.empty(2, len(vectors), dtype=torch.float64)
        step = max(1, _PIECE_BYTES // (8 * vectors.shape[1]))
        for start in range(0, len(vectors), step):
            part = slice(start, start + step)
            centred = torch.from_numpy(vectors[part].astype(np.float64)).sub_(self.centre)
            squared[part] = centred.square().sum(dim=1)
            if self.directions is None:
                points[part], rest[part] = centred, 0
            else:
                along = centred @ self.directions
                rest[part] = (squared[part] - along.square().sum(dim=1)).clamp_(min=0).sqrt_()
                points[part, :-1], points[part, -1] = along, rest[part]
        return Points(self, vectors, points.numpy(), squared.sqrt_().numpy(), rest.numpy())

    def reach(self, radii: np.ndarray, lengths: np.ndarray) -> np.ndarray:
        """Upper bound of the float32 squared distance between vectors of these lengths and any within these radii.

        ``radii`` are squared.
        """
        # A vector within the radius is at most a radius longer; vectors far away do not matter.
        return radii + self.error * (2 * lengths + np.sqrt(radii)) ** 2 + self.underflow


class Points(NamedTuple):
    """Vectors and the points that represent them.

    Attributes:
        frame: coordinate system of the points.
        vectors: ``[N, D]``.
        points: float32 ``[N, d]``.
        lengths: lengths of the centred vectors, float64 ``[N]``.
        rest: lengths of the remainders that the frame's directions do not cover, float64 ``[N]``.
    """

    frame: Frame
    vectors: np.ndarray
    points: np.ndarray
    lengths: np.ndarray
    rest: np.ndarray

    def part(self, rows: slice | np.ndarray) -> "Points":
        """The given rows."""
        return Points(self.frame, *(values[rows] for values in self[1:]))

    def nearest(self, queries: "Points", width: int) -> tuple[np.ndarray, np.ndarray]:
        """Squared distances of points, float32, and indices, ``[Q, width]`` each, nearest first; -1 where missing."""
        faiss.omp_set_num_threads(torch.get_num_threads())
        if width <= _GPU_WIDTH and faiss.get_num_gpus():
            return faiss.knn_gpu(faiss.StandardGpuResources(), queries.points, self.points, width)
        return faiss.knn(queries.points, self.points, width)

    def distances(self, queries: "Points") -> np.ndarray:
        """Squared distances of points, float32 ``[Q, N]``."""
        faiss.omp_set_num_threads(torch.get_num_threads())
        return faiss.pairwise_distances(queries.points, self.points)

    def upper_bounds(self, queries: "Points", row: np.ndarray, column: np.ndarray, squared: np.ndarray) -> np.ndarray:
        """Upper bounds of the squared distances of pairs, from those of their points ``[P]``, float64."""
        rounding = self.frame.error * (queries.lengths[row] + self.lengths[column]) ** 2 + self.frame.underflow
        return squared + 4 * queries.rest[row] * self.rest[column] + rounding
