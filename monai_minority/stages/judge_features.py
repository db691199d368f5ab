"""Whether feature spaces tell the known groups apart."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from monai_minority.keys import Column
from monai_minority.run import Stage


@dataclass(kw_only=True)
class JudgeFeatures(Stage):
    """Judge feature spaces by the votes of nearest neighbours.

    Attributes:
        measure: :func:`~monai_minority.tables.judge_feature_spaces` with its settings.
    """

    measure: Callable[[], object]

    name = "judge_features"
    columns = (Column.SPLIT, Column.SUBJECT, Column.GROUP)

    @property
    def leaves(self) -> Sequence[Path]:
        return [self.folder.evaluation / "feature_spaces.csv"]

    def work(self) -> None:
        self.measure()
