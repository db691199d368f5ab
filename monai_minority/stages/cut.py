"""Scores to ordinal minority classes."""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from monai_minority.data import ImageStore
from monai_minority.keys import Column, Split
from monai_minority.run import Stage
from monai_minority.scoring import QuantileClasses


@dataclass(kw_only=True)
class Cut(Stage):
    """Cut the scores at the quantiles of the training images, and give every image of the store its class.

    Leaves ``classes.json``, the thresholds, and the column ``minority_class``.

    Attributes:
        store: scored images.
        num_classes: number of classes, or a number for each group.
        group_column: column within whose values thresholds are taken (Appendix B), ``None`` for none.
    """

    store: ImageStore
    num_classes: int | Mapping[Hashable, int]
    group_column: str | None = None

    name = "cut"

    @property
    def columns(self) -> tuple[str, ...]:  # type: ignore[override]
        return (Column.SPLIT, *([self.group_column] if self.group_column else []))

    @property
    def reads(self) -> Sequence[Path]:
        return [self.folder.scores]

    @property
    def leaves(self) -> Sequence[Path]:
        return [self.folder.classes]

    @property
    def is_complete(self) -> bool:
        return Column.MINORITY_CLASS in self.store.table

    def work(self) -> None:
        table = self.store.table
        if Column.SCORE not in table:
            raise ValueError(
                f"{self.store.path} has no column {Column.SCORE}; run the score stage first (configs/score.yaml)"
            )
        if self.group_column is not None and self.group_column not in table:
            raise ValueError(
                f"group_column must be a column of {self.store.path}, got {self.group_column!r}; carry it over from "
                "the cohort with carried_columns, or give null"
            )
        scores = table[Column.SCORE].to_numpy()
        groups = None if self.group_column is None else table[self.group_column].to_numpy()
        train = (table[Column.SPLIT] == Split.TRAIN).to_numpy()
        classes = QuantileClasses(self.num_classes)
        classes.fit(scores[train], None if groups is None else groups[train])
        classes.save(self.folder.classes)
        self.store.add_columns(**{str(Column.MINORITY_CLASS): classes.transform(scores, groups)})
        print(classes.report())
