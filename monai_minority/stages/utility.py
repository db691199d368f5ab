"""Whether generated images help to recognise the rare group."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from monai_minority.keys import Column
from monai_minority.run import Stage


@dataclass(kw_only=True)
class Utility(Stage):
    """Train classifiers of the rare group with generated images and without, and judge them on real ones kept apart.

    Attributes:
        measure: :func:`~monai_minority.tables.measure_utility` with its settings.
    """

    measure: Callable[[], object]

    name = "utility"
    columns = (Column.SPLIT, Column.SUBJECT, Column.GROUP)

    @property
    def leaves(self) -> Sequence[Path]:
        return [self.folder.evaluation / "utility.csv"]

    def work(self) -> None:
        self.measure()
