"""The most unique real images, which generated minority images are compared with."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch

from monai_minority.keys import Column

Measure = np.ndarray | torch.Tensor

MEASURES = {
    "average_knn": "AvgkNN",
    "local_outlier_factor": "LOF",
    "rarity": "Rarity",
    Column.SCORE.value: "minority score",
}
"""Columns that a reference can be chosen by, and how they are called."""


class Reference(NamedTuple):
    """The most unique real images, and what they are."""

    rows: np.ndarray
    """Rows of the real images ``[n]``, the most unique first."""
    never_trained_on: bool
    description: str


def most_unique(measure: Measure, n: int) -> np.ndarray:
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


def choose_reference(real: pd.DataFrame, size: int, held_out: Sequence[str], measure: str = "average_knn") -> Reference:
    """The most unique real images by a measure: of those never trained on where they suffice.

    They suffice where at least twice as many as ``size`` have a value (else the most unique would be nearly all of
    them); if not, the choice is among all real images. Where even these are fewer than that, half of them are taken.

    Args:
        real: table of real images with ``split`` and the measure.
        size: how many are wanted.
        held_out: splits that the backbone never saw.
        measure: one of :data:`MEASURES`.

    Raises:
        ValueError: there is no such measure, ``size`` is not positive, or fewer than two images have a value.
    """
    if measure not in MEASURES:
        raise ValueError(f"reference_measure must be one of {', '.join(MEASURES)}, got {measure!r}")
    if size < 1:
        raise ValueError(f"reference_size must be at least 1, got {size}")
    values = real[measure].to_numpy(dtype=np.float64)
    valued = np.flatnonzero(~np.isnan(values))
    apart = np.intersect1d(valued, np.flatnonzero(real[Column.SPLIT.value].isin(list(held_out))))
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
    return Reference(rows, unseen, f"the {taken} most unique by {MEASURES[measure]} of {origin}{asked}")
