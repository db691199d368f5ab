"""Samplers side by side."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from torch import nn

from monai_minority.data import ImageStore
from monai_minority.keys import Column
from monai_minority.run import Stage
from monai_minority.scoring import MinorityScore, QuantileClasses
from monai_minority.tables import MeasureSettings, compare_methods


@dataclass(kw_only=True)
class Compare(Stage):
    """Measure one sample set a method, into the tables of ``comparison/``."""

    store: ImageStore
    samples: Mapping[str, ImageStore]
    extractor: nn.Module
    score: MinorityScore
    map_extractor: nn.Module | None = None
    group_column: str | None = None
    severity: Callable[..., Any] | None = None
    picture_columns: int
    measures: MeasureSettings

    name = "compare"
    columns = (Column.SPLIT, Column.SUBJECT, Column.GROUP, Column.SCORE, Column.MINORITY_CLASS)

    @cached_property
    def contents(self) -> dict[str, Any]:
        seconds = {name: store.meta.get("seconds_an_image") for name, store in self.samples.items()}
        return {**super().contents, "seconds_an_image": seconds}

    @property
    def reads(self) -> Sequence[Path]:
        return [self.folder.classes]

    @property
    def leaves(self) -> Sequence[Path]:
        return [self.folder.comparison / name for name in ("methods.csv", "methods.png", "context.json")]

    def work(self) -> None:
        compare_methods(
            self.store,
            self.samples,
            self.extractor,
            self.score,
            output_dir=self.folder.comparison,
            feature_dir=self.folder.features,
            classes=QuantileClasses.load(self.folder.classes),
            map_extractor=self.map_extractor,
            group_column=self.group_column,
            severity=self.severity,
            columns=self.picture_columns,
            measures=self.measures,
        )
