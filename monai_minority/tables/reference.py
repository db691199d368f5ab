"""The most unique real images, which generated minority images are compared with."""

from typing import NamedTuple

import numpy as np
import pandas as pd
import torch

from monai_minority.tables.measures import REFERENCES
from monai_minority.tables.settings import MeasureSettings


class Reference(NamedTuple):
    """The most unique real images, and what they are."""

    rows: np.ndarray
    """Rows of the real images ``[n]``, the most unique first."""
    never_trained_on: bool
    description: str


def most_unique(measure: np.ndarray | torch.Tensor, n: int) -> np.ndarray:
    """Indices of the ``n`` highest values of a measure, highest first.

    Choose them on images that training never saw where the data allows it, and say so where it does not.

    Args:
        measure: one value an image ``[N]``, higher is rarer: AvgkNN, LOF, Rarity or the minority score. NaN
            (Rarity outside every ball) is never chosen.
        n: how many.

    Returns:
        int64 ``[n]``; equal values in the order of their indices.

    Raises:
        ValueError: the shape is not ``[N]``, or fewer than ``n`` values are no NaN.
    """
    values = np.asarray(measure.detach().cpu() if isinstance(measure, torch.Tensor) else measure)
    if values.ndim != 1:
        raise ValueError(f"measure must be one value an image, [N], got shape {values.shape}")
    valid = int((~np.isnan(values)).sum())
    if not 1 <= n <= valid:
        raise ValueError(f"n must be in [1, {valid}] (the images with a value), got {n}")
    # NaN sorts last, and negation keeps the order of equal values.
    return np.argsort(-values.astype(np.float64), kind="stable")[:n]


def choose_reference(real: pd.DataFrame, settings: MeasureSettings) -> Reference:
    """The most unique real images by a measure: of those never trained on where they suffice.

    They suffice where at least twice as many as asked for have a value (else the most unique would be nearly all of
    them); if not, the choice is among all real images. Where even these are fewer than that, half of them are taken.

    Args:
        real: table of real images with ``split`` and the measure.
        settings: ``reference_size``, ``reference_measure`` and ``held_out``.

    Raises:
        ValueError: fewer than two images have a value.
    """
    size, measure = settings.reference_size, settings.reference_measure
    values = real[measure].to_numpy(dtype=np.float64)
    valued = np.flatnonzero(~np.isnan(values))
    apart = np.intersect1d(valued, np.flatnonzero(settings.is_held_out(real)))
    unseen = len(apart) >= 2 * size
    candidates = apart if unseen else valued
    if len(candidates) < 2:
        raise ValueError(f"at least two real images must have a value of {measure}, got {len(candidates)}")
    taken = min(size, len(candidates) // 2)
    rows = candidates[most_unique(values[candidates], taken)]
    origin = (
        f"{len(candidates)} real images never trained on"
        if unseen
        else f"all {len(candidates)} real images, training images among them (only {len(apart)} were never trained on)"
    )
    asked = "" if taken == size else f" ({size} were asked for, and half of the images is the most)"
    return Reference(rows, unseen, f"the {taken} most unique by {REFERENCES[measure]} of {origin}{asked}")
