"""Suspected copies of training images among the samples."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from torch import nn

from monai_minority.data import ImageStore
from monai_minority.keys import Column
from monai_minority.run import Stage
from monai_minority.stages.shared_features import share_features
from monai_minority.tables import MeasureSettings
from monai_minority.tables.copies import drop_copies, measure_copies


@dataclass(kw_only=True)
class Memorization(Stage):
    """Look for copies in every sample set, in features and in pixels, with real images as a control.

    Attributes:
        store: the real images.
        samples: the sample sets by name.
        extractor: feature space.
        planted: training images that are changed and planted, to see whether copies are found.
        quantile: share of held-out images that may be taken for copies.
        max_shift: pixels that a copy may have been moved by.
        calibration_size: real images, at most, that the threshold comes from.
        measures: how the images are measured.
    """

    store: ImageStore
    samples: Mapping[str, ImageStore]
    extractor: nn.Module
    planted: int
    quantile: float
    max_shift: int
    calibration_size: int
    measures: MeasureSettings

    name = "memorization"
    columns = (Column.SPLIT, Column.SUBJECT)

    @property
    def leaves(self) -> Sequence[Path]:
        return [self.folder.evaluation / f"{name}.csv" for name in ("copies", "copies_planted", "copies_summary")]

    def together(self) -> None:
        share_features([self.store, *self.samples.values()], [self.extractor], self.folder.features, self.measures)

    def work(self) -> None:
        measure_copies(
            self.store,
            self.samples,
            self.extractor,
            self.folder.evaluation,
            planted=self.planted,
            quantile=self.quantile,
            max_shift=self.max_shift,
            calibration_size=self.calibration_size,
            feature_dir=self.folder.features,
            measures=self.measures,
        )


@dataclass(kw_only=True)
class DropCopies(Stage):
    """A sample set without its suspected copies, after :class:`Memorization`.

    Attributes:
        samples: the set.
        sample_set: its name.
    """

    samples: ImageStore
    sample_set: str

    config = "drop_copies"

    @property
    def name(self) -> str:  # type: ignore[override]
        return f"filtered/{self.sample_set}"

    @property
    def reads(self) -> Sequence[Path]:
        return [self.folder.evaluation / "copies.csv"]

    @property
    def leaves(self) -> Sequence[Path]:
        return [self.folder.filtered(self.sample_set)]

    def work(self) -> None:
        copies = self.folder.evaluation / "copies.csv"
        drop_copies(self.samples, copies, self.sample_set, self.folder.filtered(self.sample_set))
