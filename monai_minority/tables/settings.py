"""How the images of a run are measured: the settings that its tables share."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
import torch

from monai_minority.evaluation.density import PyODDetector
from monai_minority.keys import Column, Split
from monai_minority.tables.measures import REFERENCES

HELD_OUT = (Split.VALIDATION.value, Split.TEST.value, Split.REFERENCE.value)
"""Splits that the backbone never saw."""


@dataclass(frozen=True)
class MeasureSettings:
    """Settings of the evaluate, compare, memorization, utility and judge_features stages and of the studies.

    Attributes:
        neighbours: k of AvgkNN, Rarity, precision and recall (the paper: 5).
        lof_neighbours: k of LOF (the paper: 20).
        reference_size: number of most unique real images that fidelity is measured against; at most half of the images
            they are chosen among.
        reference_measure: what they are most unique by: ``average_knn``, ``local_outlier_factor``, ``rarity`` or
            ``minority_score``; or ``group``: the known rare group in their place.
        held_out: splits that the backbone never saw.
        normal_group: value (or values) of ``group`` that the others are compared with; ``None``: the commonest in
            training.
        matched_by: numeric column of the real images, such as the height of a slice, that could explain what is rare:
            the AUC is given among its similar values too. ``None`` for none.
        detectors: names of PyOD's detectors, each with the arguments of its constructor, that judge every image too;
            ``random_state`` is ``seed`` where a detector takes one and is given none.
        review_size: number of the most unusual real images that are listed with their neighbours.
        resamples: of the bootstrap intervals; 0 leaves them out.
        distance_resamples: of those of Fréchet and kernel distances; 0 leaves them out.
        batch_size: images at a time.
        device: where to compute; ``None``: where the extractor is.
        seed: of the bootstrap, of the images compared at equal numbers and of detectors.
        progress: whether to show bars.

    Raises:
        ValueError: a number is too small, or there is no such measure, split or detector.

    Example:
        >>> from monai_minority.tables import MeasureSettings
        >>> MeasureSettings(reference_size=100).neighbours
        5
    """

    neighbours: int = 5
    lof_neighbours: int = 20
    reference_size: int = 200
    reference_measure: str = "average_knn"
    held_out: Sequence[str] = HELD_OUT
    normal_group: str | Sequence[str] | None = None
    matched_by: str | None = None
    detectors: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    review_size: int = 50
    resamples: int = 1000
    distance_resamples: int = 100
    batch_size: int = 64
    device: torch.device | str | None = None
    seed: int = 0
    progress: bool = True

    def __post_init__(self) -> None:
        least = {"resamples": 0, "distance_resamples": 0, "review_size": 0, "seed": 0}
        for name in ("neighbours", "lof_neighbours", "reference_size", "batch_size", *least):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or value < least.get(name, 1):
                raise ValueError(
                    f"{name} must be at least {least.get(name, 1)}, a whole number, got {value!r}; leave it out for "
                    f"the default, {type(self).__dataclass_fields__[name].default}"
                )
        if self.reference_measure not in REFERENCES:
            raise ValueError(
                f"reference_measure must be one of {', '.join(REFERENCES)}, got {self.reference_measure!r}; choose one"
            )
        object.__setattr__(self, "held_out", tuple(self.held_out))
        unknown = set(self.held_out) - set(HELD_OUT)
        if not self.held_out or unknown:
            raise ValueError(
                f"held_out must be some of {', '.join(HELD_OUT)}, got {', '.join(self.held_out) or 'none'}; the "
                "backbone learns from the training images"
            )
        if not isinstance(self.normal_group, str | None):
            object.__setattr__(self, "normal_group", tuple(self.normal_group))
        object.__setattr__(self, "detectors", {name: dict(given) for name, given in (self.detectors or {}).items()})
        self.fresh_detectors()
        try:
            torch.device(self.device or "cpu")
        except RuntimeError as error:
            raise ValueError(
                f"device must be one of torch's, such as 'cpu' or 'cuda:0', got {self.device!r}"
            ) from error

    def is_held_out(self, table: pd.DataFrame) -> np.ndarray:
        """Whether each real image of a table is of a held-out split ``[N]``, bool."""
        return table[Column.SPLIT].isin(self.held_out).to_numpy()

    def fresh_detectors(self) -> dict[str, PyODDetector]:
        """PyOD's detectors, not fitted, by their names.

        Raises:
            ValueError: PyOD has no such detector, or it does not take these settings.
        """
        return {name: PyODDetector(name, self.seed, **options) for name, options in self.detectors.items()}
