"""Labels of the data set as integers, which label classifiers and conditional networks take."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from monai_minority.data import ImageStore
from monai_minority.files import whole_file
from monai_minority.keys import Column, Split
from monai_minority.run import Stage


@dataclass(kw_only=True)
class Label(Stage):
    """Give every image a ``class_label`` from another column, such as ``group`` or ``severity``.

    Labels are numbered by how frequent they are among the training images, 0 the most frequent, so the highest are the
    rarest; those without a training image come last. A column ``class_label`` that came with the data stays as it is.
    Leaves ``labels.json``, the number of each label.
    """

    store: ImageStore
    label_column: str
    num_class_labels: int | None

    name = "label"

    @property
    def columns(self) -> tuple[str, ...]:  # type: ignore[override]
        return (Column.SPLIT, self.label_column)

    @property
    def leaves(self) -> Sequence[Path]:
        return [self.folder.labels]

    @property
    def is_complete(self) -> bool:
        return Column.CLASS_LABEL in self.store.table

    def work(self) -> None:
        table, column = self.store.table, self.label_column
        if column not in table or table[column].isna().any():
            raise ValueError(
                f"label_column must be a column of {self.store.path} with a value for every image, got {column!r}; "
                f"it has {', '.join(table.columns)}"
            )
        counts = table[column][table[Column.SPLIT] == Split.TRAIN].value_counts()
        names = sorted(table[column].unique(), key=lambda name: (-counts.get(name, 0), name))
        if column == Column.CLASS_LABEL:
            names = sorted(names)
        if len(names) != self.num_class_labels:
            raise ValueError(
                f"num_class_labels must be the number of values of column {column}, {len(names)} "
                f"({', '.join(map(str, names[:10]))}), got {self.num_class_labels}"
            )
        numbers = {str(name): number for number, name in enumerate(names)}
        if column == Column.CLASS_LABEL:
            if names != list(range(len(names))):
                raise ValueError(f"column {column} must hold integers 0 … {len(names) - 1}, got {names[:10]}")
        else:
            self.store.add_columns(**{Column.CLASS_LABEL.value: table[column].astype(str).map(numbers)})
        with whole_file(self.folder.labels) as partial:
            partial.write_text(json.dumps(numbers, indent=2) + "\n", encoding="utf-8")
