"""Folds of the subjects, for scores by networks that never saw an image's subject."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from monai_minority.data import ImageStore, folds_by_subject
from monai_minority.files import write_csv
from monai_minority.keys import Column
from monai_minority.run import Stage


@dataclass(kw_only=True)
class SplitFolds(Stage):
    """Give every image the fold of its subject; see :func:`~monai_minority.data.folds_by_subject`.

    Leaves the column ``fold``, and ``folds.csv``, how many subjects and images of each split a fold has.
    """

    store: ImageStore
    count: int
    seed: int

    name = "split_folds"
    columns = (Column.SPLIT, Column.SUBJECT)

    @property
    def leaves(self) -> Sequence[Path]:
        return [self.folder.folds]

    @property
    def is_complete(self) -> bool:
        return Column.FOLD in self.store.table

    @property
    def made(self) -> str:
        return f"{self.count} folds of the subjects"

    def work(self) -> None:
        self.store.add_columns(**{Column.FOLD.value: folds_by_subject(self.store.table, self.count, self.seed)})
        table = self.store.table
        people = table[Column.SUBJECT] if Column.SUBJECT in table else pd.Series(table.index)
        sizes = people.groupby([table[Column.FOLD], table[Column.SPLIT]]).agg(subjects="nunique", images="size")
        write_csv(sizes.reset_index(), self.folder.folds)
