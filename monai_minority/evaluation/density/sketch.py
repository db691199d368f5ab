"""Short vectors whose distances never exceed those of the long ones, by which most pairs are ruled out."""

import torch
from torch import Tensor

from monai_minority.evaluation.density.vectors import full_float32

SHORTENING = 16
"""A sketch is so many times as short as the vectors."""

LONG = 512
"""Vectors are sketched from this dimension on; a product of shorter ones costs little more than looking at it."""

SAMPLE = 512
"""Vectors that the directions are found in, and as many others that they are tried on."""

WORTHWHILE = 8.0
"""Pairs measured for each pair wanted, up to which sketching saves time."""

_PIECE = 64  # rows in float64 at a time: what a processor's cache holds


class Sketch:
    """Coordinates along a few orthonormal directions, and the length of what is left.

    Two vectors' remainders are no nearer than their lengths differ (the triangle inequality), so that distances of
    sketches are lower bounds of the distances. They are tight where few directions hold most of the variance, as in
    learned features. Which directions is decided by a sample and matters to the speed alone.

    Args:
        directions: orthonormal, float64 ``[D, d]``.
        centre: origin ``[D]``.
    """

    def __init__(self, directions: Tensor, centre: Tensor) -> None:
        self.directions, self.centre = directions, centre

    def __call__(self, vectors: Tensor) -> Tensor:
        """Sketches ``[N, d + 1]``, float32 with their last bit right, of vectors ``[N, D]``."""
        width = self.directions.shape[1]
        sketches = torch.empty(len(vectors), width + 1, device=vectors.device)
        for part, sketch in zip(vectors.split(_PIECE), sketches.split(_PIECE), strict=True):
            centred = part.double() - self.centre
            along = centred @ self.directions
            rest = centred.square().sum(dim=1) - along.square().sum(dim=1)
            sketch[:, :width], sketch[:, width] = along, rest.clamp(min=0).sqrt()
        return sketches


def worthwhile_sketch(vectors: Tensor, centre: Tensor) -> Sketch | None:
    """A sketch of vectors ``[N, D]`` about a centre, or ``None`` where it would rule out too little."""
    count, dimension = vectors.shape
    if dimension < LONG or count < 4 * SAMPLE:
        return None
    # Rows evenly spread, alternately to find directions in and to try them on.
    rows = torch.arange(2 * SAMPLE, device=vectors.device) * count // (2 * SAMPLE)
    sample, others = ((vectors[part].double() - centre) for part in (rows[::2], rows[1::2]))
    _, combinations = torch.linalg.eigh(sample @ sample.T)
    width = max(8, dimension // SHORTENING)
    directions = torch.linalg.qr(sample.T @ combinations[:, -width:]).Q
    if not directions.isfinite().all():
        return None
    sketch = Sketch(directions, centre.double())
    with full_float32(vectors.device.type):
        far = torch.cdist(others.float(), others.float()).fill_diagonal_(torch.inf)
        short = sketch(vectors[rows[1::2]])
        bounds = torch.cdist(short, short).fill_diagonal_(torch.inf)
    measured = (bounds <= far.amin(dim=1, keepdim=True)).sum(dim=1).double().mean()
    return sketch if measured <= WORTHWHILE else None
