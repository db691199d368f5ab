"""The real images that generated images are compared with: the most unique ones, or those of the rare group."""

from typing import NamedTuple

import numpy as np
import pandas as pd
import torch

from monai_minority.data.store.image_store import evenly
from monai_minority.evaluation.density.vectors import as_array
from monai_minority.evaluation.groups import normal_groups
from monai_minority.keys import Column, Split
from monai_minority.tables.measures import REFERENCES
from monai_minority.tables.rows import RARE_GROUP, UNIQUE
from monai_minority.tables.settings import MeasureSettings

LEAST_OF_A_GROUP = 50
"""Images of the rare group that were never trained on; where there are fewer, its training images are taken too."""


class Reference(NamedTuple):
    """Real images to compare with, and what they are."""

    rows: np.ndarray
    """Rows of the real images ``[n]``, the most unique first."""
    never_trained_on: bool
    description: str
    name: str = UNIQUE
    """Of their row in tables."""


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
    values = as_array(measure)
    if values.ndim != 1:
        raise ValueError(f"measure must be one value an image, [N], got shape {values.shape}")
    valid = int((~np.isnan(values)).sum())
    if not 1 <= n <= valid:
        raise ValueError(f"n must be in [1, {valid}] (the images with a value), got {n}")
    # NaN sorts last, and negation keeps the order of equal values.
    return np.argsort(-values.astype(np.float64), kind="stable")[:n]


def choose_reference(real: pd.DataFrame, settings: MeasureSettings) -> Reference:
    """The most unique real images by a measure, or those of the rare group: never trained on where these suffice.

    Of a measure they suffice where at least twice as many as asked for have a value (else the most unique would be
    nearly all of them); if not, the choice is among all real images. Where even these are fewer than that, half of them
    are taken. Of the rare group :data:`LEAST_OF_A_GROUP` suffice, and at most ``reference_size`` are taken, evenly.

    Raises:
        ValueError: fewer than two images have a value or are of the rare group, or no groups are known.
    """
    size, measure = settings.reference_size, settings.reference_measure
    if measure == Column.GROUP:
        return _rare_group(real, settings)
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


def _rare_group(real: pd.DataFrame, settings: MeasureSettings) -> Reference:
    groups = real.get(Column.GROUP)
    if groups is None or not groups.notna().any():
        raise ValueError(
            "reference_measure must be one of the measures where the groups of the real images are not known, got "
            "group; label the cohort, or choose average_knn"
        )
    normal = normal_groups(groups, real[Column.SPLIT] == Split.TRAIN, settings.normal_group)
    rare = (groups.notna() & ~groups.isin(normal)).to_numpy()
    apart = np.flatnonzero(rare & settings.is_held_out(real))
    unseen = len(apart) >= LEAST_OF_A_GROUP
    candidates = apart if unseen else np.flatnonzero(rare)
    if len(candidates) < 2:
        raise ValueError(f"at least two real images must be of the rare group, got {len(candidates)}")
    rows = candidates[evenly(len(candidates), settings.reference_size)]
    origin = (
        "never trained on"
        if unseen
        else f"training images among them (only {len(apart)} of the group were never trained on)"
    )
    return Reference(
        rows, unseen, f"{len(rows)} of the {len(candidates)} real images of the rare group, {origin}", RARE_GROUP
    )
