"""Fréchet distances above their floor: two sets of real images of the same size have a distance too.

The reference is cut into two halves by subject. The distance between them is the floor, what a sampler without fault
would have; of generated images the distance to the first half is taken, of as many images, and the floor subtracted.
The share of what unguided images have above the floor that is left can be compared between runs.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from monai_minority.evaluation.fidelity import distance_figures
from monai_minority.evaluation.mover import UNKNOWN_ESTIMATE, Estimate, ratio_of
from monai_minority.tables.equal_shares import equal_shares
from monai_minority.tables.fidelity import distances_between
from monai_minority.tables.rows import ALL, Row, with_ends
from monai_minority.tables.settings import MeasureSettings

LEAST = 200
"""Images of a set, of a class and of a half, without which no such figure is given."""

NAME = "frechet_above_floor"
UNKNOWN_RELATIVE = dict.fromkeys(with_ends(NAME), float("nan"))


class FrechetFloor(NamedTuple):
    """The first half of the reference, and how far the second lies from it."""

    features: np.ndarray
    """``[n, D]``."""
    subjects: np.ndarray
    """``[n]``."""
    distance: float


def frechet_floor(features: np.ndarray, subjects: np.ndarray, settings: MeasureSettings) -> FrechetFloor | None:
    """Cut real images, of features ``[N, D]``, into two halves by subject, of equal numbers of images, and measure how
    far they lie apart. ``None`` where a half has fewer than :data:`LEAST` images."""
    if len(features) < 2 * LEAST:
        return None
    codes = pd.factorize(np.asarray(subjects))[0]
    sizes = np.bincount(codes)
    sides, filled = np.zeros(len(sizes), int), [0, 0]
    for subject in np.random.default_rng(settings.seed).permutation(len(sizes)):
        sides[subject] = int(filled[0] > filled[1])
        filled[sides[subject]] += int(sizes[subject])
    halves = [np.flatnonzero(sides[codes] == side) for side in (0, 1)]
    count = min(map(len, halves))
    if count < LEAST:
        return None
    first, second = (half[_taken(count, None, codes[half], settings)] for half in halves)
    distance = distance_figures(features[first], features[second], resamples=0).frechet
    return FrechetFloor(features[first], codes[first], distance)


def relative_distances(
    floor: FrechetFloor | None, rows: Sequence[Row], unguided: tuple[str, np.ndarray] | None, settings: MeasureSettings
) -> dict[int, dict[str, float]]:
    """``frechet_above_floor`` of each row that is large enough, by its place in ``rows``: of the distance above the
    floor that unguided images have, the share that the row has, with its interval ``_low`` to ``_high``.

    1: as far as unguided images; 0: as near as other real images. The floor is taken as given, and a distance below it
    as 0. No figure is given where unguided images cannot be told from the floor themselves.
    """
    if floor is None or unguided is None or not settings.distance_resamples:
        return {}
    count = len(floor.features)
    large = {place: row for place, row in enumerate(rows) if len(row.rows) >= count}
    above = {place: _above(floor, row, count, settings) for place, row in large.items()}
    plain = [p for p, row in large.items() if row.labels["set"] == unguided[0] and row.labels["target_class"] == ALL]
    if not plain or not above[plain[0]].low > 0:
        return {}
    found = {place: ratio_of(one, above[plain[0]]) for place, one in above.items() if place != plain[0]}
    return {place: dict(zip(UNKNOWN_RELATIVE, one, strict=True)) for place, one in found.items()}


def _above(floor: FrechetFloor, row: Row, count: int, settings: MeasureSettings) -> Estimate:
    taken = _taken(count, row.classes, row.clusters, settings)
    found = distances_between(floor.features, row.features[taken], floor.subjects, row.clusters[taken], settings)
    if np.isnan(found.frechet_interval.low):
        return UNKNOWN_ESTIMATE
    return Estimate(*(max(0.0, end - floor.distance) for end in (found.frechet, *found.frechet_interval)))


def _taken(count: int, classes: np.ndarray | None, clusters: np.ndarray, settings: MeasureSettings) -> np.ndarray:
    classes = np.zeros(len(clusters), int) if classes is None else classes
    return equal_shares(count, classes, clusters, settings.seed)
