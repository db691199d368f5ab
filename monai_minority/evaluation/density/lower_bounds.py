"""Float32 points whose distances, as faiss finds them, are bounds of the vectors' own up to a known rounding."""

from typing import NamedTuple

import faiss
import numpy as np
import torch
from torch import Tensor

_PIECE_BYTES = 2**22
"""Size of the float64 copies in which points are made."""

_GPU_WIDTH = 1024
"""Neighbours that faiss finds on a GPU at most."""


class Frame:
    """What float32 points are taken from: a centre and the axes, or a few directions in place of these.

    A point is the vector about the centre, which takes away the common part, where float32 would lose its digits. Along
    directions, its last coordinate is the length of what they leave of the vector. Two such remainders are no nearer
    than their lengths differ (the triangle inequality), so distances of points never exceed those of the vectors. They
    are close to them where few directions hold most of the variance, as in learned features.

    Args:
        centre: about the middle of the vectors, float64 ``[D]``.
        directions: orthonormal, float64 ``[D, d]``; ``None``: the axes.
    """

    def __init__(self, centre: np.ndarray, directions: Tensor | None = None) -> None:
        self.centre, self.directions = torch.from_numpy(centre), directions
        self.width = len(centre) if directions is None else directions.shape[1] + 1
        # A float32 product of d terms errs by 8 sqrt(d) units but once in 10^13 (Higham & Mary, 2019), and so do the
        # squared lengths that faiss adds; the rest is for the rounding of points, remainders and comparisons.
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
        """What a float32 squared distance is at most, of any vector within these squared radii of others so long."""
        # Such a vector is at most a radius longer: what lies far away does not matter here.
        return radii + self.error * (2 * lengths + np.sqrt(radii)) ** 2 + self.underflow


class Points(NamedTuple):
    """Vectors beside the points that stand for them.

    Attributes:
        frame: what the points are taken from.
        vectors: ``[N, D]``.
        points: float32 ``[N, d]``.
        lengths: of the centred vectors, float64 ``[N]``.
        rest: length of what the points' directions leave of them, float64 ``[N]``.
    """

    frame: Frame
    vectors: np.ndarray
    points: np.ndarray
    lengths: np.ndarray
    rest: np.ndarray

    def part(self, rows: slice | np.ndarray) -> "Points":
        """These rows of them."""
        return Points(self.frame, *(values[rows] for values in self[1:]))

    def nearest(self, queries: "Points", width: int) -> tuple[np.ndarray, np.ndarray]:
        """Squared distances of points, float32, and indices, ``[Q, width]`` each, nearest first; -1 for none."""
        faiss.omp_set_num_threads(torch.get_num_threads())
        if width <= _GPU_WIDTH and faiss.get_num_gpus():
            return faiss.knn_gpu(faiss.StandardGpuResources(), queries.points, self.points, width)
        return faiss.knn(queries.points, self.points, width)

    def distances(self, queries: "Points") -> np.ndarray:
        """Squared distances of points, float32 ``[Q, N]``."""
        faiss.omp_set_num_threads(torch.get_num_threads())
        return faiss.pairwise_distances(queries.points, self.points)

    def upper_bounds(self, queries: "Points", row: np.ndarray, column: np.ndarray, squared: np.ndarray) -> np.ndarray:
        """What the squared distances of pairs are at most, by those of their points ``[P]``, float64."""
        rounding = self.frame.error * (queries.lengths[row] + self.lengths[column]) ** 2 + self.frame.underflow
        return squared + 4 * queries.rest[row] * self.rest[column] + rounding
