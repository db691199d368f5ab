"""Whether generated images help to recognise the rare group."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from monai_minority.data import ImageStore
from monai_minority.evaluation.rare_classifier import RareClassifier
from monai_minority.keys import Column
from monai_minority.run import Stage
from monai_minority.tables import MeasureSettings, measure_utility


@dataclass(kw_only=True)
class Utility(Stage):
    """Train classifiers of the rare group with generated images and without, and judge them on real ones kept apart.

    Attributes:
        store: the real images.
        samples: the sample sets by name.
        fit: trains a classifier.
        seeds: of the trainings of each arm.
        specificity: at which sensitivity is given.
        measures: how the images are measured.
    """

    store: ImageStore
    samples: Mapping[str, ImageStore]
    fit: RareClassifier
    seeds: Sequence[int]
    specificity: float
    measures: MeasureSettings

    name = "utility"
    columns = (Column.SPLIT, Column.SUBJECT, Column.GROUP)

    @property
    def leaves(self) -> Sequence[Path]:
        return [self.folder.evaluation / "utility.csv"]

    def work(self) -> None:
        measure_utility(
            self.store,
            self.samples,
            self.leaves[0],
            fit=self.fit,
            seeds=self.seeds,
            specificity=self.specificity,
            measures=self.measures,
        )
