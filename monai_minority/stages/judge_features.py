"""Whether feature spaces tell the known groups apart."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from torch import nn

from monai_minority.data import ImageStore
from monai_minority.keys import Column
from monai_minority.run import Stage
from monai_minority.tables import MeasureSettings, judge_feature_spaces


@dataclass(kw_only=True)
class JudgeFeatures(Stage):
    """Judge feature spaces by the votes of nearest neighbours."""

    store: ImageStore
    extractors: Sequence[nn.Module]
    bank_splits: Sequence[str]
    query_split: str
    neighbours: int
    measures: MeasureSettings

    name = "judge_features"
    columns = (Column.SPLIT, Column.SUBJECT, Column.GROUP)

    @property
    def leaves(self) -> Sequence[Path]:
        return [self.folder.evaluation / "feature_spaces.csv"]

    def work(self) -> None:
        judge_feature_spaces(
            self.store,
            self.extractors,
            self.leaves[0],
            bank_splits=self.bank_splits,
            query_split=self.query_split,
            k=self.neighbours,
            feature_dir=self.folder.features,
            measures=self.measures,
        )
