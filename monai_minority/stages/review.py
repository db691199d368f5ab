"""A sample set in TensorBoard."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from monai.engines import Evaluator
from torch import nn

from monai_minority.data import ImageStore
from monai_minority.keys import Column
from monai_minority.reports.severity_review import SeverityReview
from monai_minority.run import Stage, summary_writer


@dataclass(kw_only=True)
class Review(Stage):
    """Grids of a sample set beside real look-alikes, and distributions of severity by class, in TensorBoard.

    Attributes:
        store: the real images.
        sample_set: name of the set.
        evaluator: passes the samples through, a batch at a time.
        severity: measure of severity, ``None`` for grids alone.
        extractor: feature space of the look-alikes, ``None`` for the pixels.
        review_columns: images in a row.
        max_real: real images whose severity is measured.
        batch_size: of real images.
    """

    store: ImageStore
    sample_set: str
    evaluator: Evaluator
    severity: Callable[..., Any] | None
    extractor: nn.Module | None
    review_columns: int
    max_real: int
    batch_size: int

    config = "review"
    columns = (Column.SPLIT, Column.MINORITY_CLASS)

    @property
    def name(self) -> str:  # type: ignore[override]
        return f"review/{self.sample_set}"

    @property
    def leaves(self) -> Sequence[Path]:
        return [self.folder.tensorboard(self.name)]

    def work(self) -> None:
        for old in self.folder.tensorboard(self.name).glob("events.*"):
            old.unlink()
        writer = summary_writer(self.folder.tensorboard(self.name))
        SeverityReview(
            self.store,
            writer,
            self.severity,
            self.extractor,
            self.folder.features,
            name=self.sample_set,
            scale=Column.SCALE.value,
            class_key=Column.TARGET_CLASS.value,
            columns=self.review_columns,
            max_real=self.max_real,
            batch_size=self.batch_size,
        ).attach(self.evaluator)
        self.evaluator.run()
        writer.close()
