"""Suspected copies of training images among the samples."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from monai_minority.data import ImageStore
from monai_minority.keys import Column
from monai_minority.run import Stage
from monai_minority.tables.copies import drop_copies


@dataclass(kw_only=True)
class Memorization(Stage):
    """Look for copies in every sample set, in features and in pixels, with real images as a control.

    Attributes:
        measure: :func:`~monai_minority.tables.copies.measure_copies` with its settings.
    """

    measure: Callable[[], object]

    name = "memorization"
    columns = (Column.SPLIT, Column.SUBJECT)

    @property
    def leaves(self) -> Sequence[Path]:
        return [self.folder.evaluation / f"{name}.csv" for name in ("copies", "copies_planted", "copies_summary")]

    def work(self) -> None:
        self.measure()


@dataclass(kw_only=True)
class DropCopies(Stage):
    """A sample set without its suspected copies, after :class:`Memorization`.

    Attributes:
        samples: the set.
        sample_set: its name.
    """

    samples: ImageStore
    sample_set: str

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
