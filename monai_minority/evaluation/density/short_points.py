"""Points along a few directions in place of all axes, where these find the neighbours of nearly every vector."""

import numpy as np
import torch

from monai_minority.evaluation.density.lower_bounds import Frame, Points
from monai_minority.evaluation.density.nearest import ranked

SHORTENING = 16
"""Points along a few directions are so many times as short as the vectors."""

LONG, MANY = 512, 2048
"""Dimension and number of vectors from which on shorter points may save time."""

TRIAL = 256
"""Vectors that shorter points are tried on."""

WORTHWHILE = 0.9
"""Share of these whose nearest must be settled by the first candidates."""


def points_of(vectors: np.ndarray, k: int) -> Points:
    """Points of vectors ``[N, D]`` to find the ``k`` nearest by, short where that saves work."""
    count, dimension = vectors.shape
    centre = vectors.mean(axis=0, dtype=np.float64)
    if dimension >= LONG and count >= MANY:
        width = dimension // SHORTENING
        # The span of some vectors, evenly spread, holds most of the others where few directions matter.
        sample = torch.from_numpy(vectors[np.arange(width) * count // width] - centre)
        short = Frame(centre, torch.linalg.qr(sample.T).Q).place(vectors)
        tried = short.part((np.arange(TRIAL) * count + count // 2) // TRIAL)
        if ranked(short, tried, k, 2 * k + 8)[2].mean() >= WORTHWHILE:
            return short
    return Frame(centre).place(vectors)
