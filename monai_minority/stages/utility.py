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

    Finished trainings are kept in ``evaluation/utility_trainings/``: a killed run goes on where it was.
    """

    store: ImageStore
    samples: Mapping[str, ImageStore]
    fit: RareClassifier
    seeds: Sequence[int]
    amounts: Sequence[float]
    sizes: Sequence[int] | None  # subjects whose rare images are trained on; ``None``: all
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
            amounts=self.amounts,
            sizes=self.sizes,
            specificity=self.specificity,
            finished=self.folder.evaluation / "utility_trainings",
            measures=self.measures,
        )
