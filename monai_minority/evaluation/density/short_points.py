"""Points along a few directions instead of all axes, where they find the neighbours of nearly every vector."""

import numpy as np
import torch

from monai_minority.evaluation.density.lower_bounds import Frame, Points
from monai_minority.evaluation.density.nearest import ranked

SHORTENING = 16
"""Length of the vectors divided by the length of short points."""

LONG, MANY = 512, 2048
"""Smallest dimension and number of vectors for which short points may save time."""

TRIAL = 256
"""Number of vectors that short points are tried on."""

WORTHWHILE = 0.9
"""Share of the tried vectors whose neighbours the first candidates must settle."""


def points_of(vectors: np.ndarray, k: int) -> Points:
    """Points of vectors ``[N, D]`` for a search of the ``k`` nearest, short where that saves work."""
    count, dimension = vectors.shape
    centre = vectors.mean(axis=0, dtype=np.float64)
    if dimension >= LONG and count >= MANY:
        width = dimension // SHORTENING
        # Where few directions matter, the span of a few evenly spread vectors contains most of the others.
        sample = torch.from_numpy(vectors[np.arange(width) * count // width] - centre)
        short = Frame(centre, torch.linalg.qr(sample.T).Q).place(vectors)
        tried = short.part((np.arange(TRIAL) * count + count // 2) // TRIAL)
        if ranked(short, tried, k, 2 * k + 8)[2].mean() >= WORTHWHILE:
            return short
    return Frame(centre).place(vectors)
