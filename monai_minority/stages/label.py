"""Labels of the data set as integers, which label classifiers and conditional networks take."""

import json
import os
from pathlib import Path

import numpy as np

from monai_minority.data import ImageStore
from monai_minority.data.store.image_store import evenly
from monai_minority.files import whole_file
from monai_minority.keys import Column, Split


def label_images(
    store: ImageStore, column: str, num_class_labels: int | None, run_dir: str | os.PathLike[str]
) -> dict[str, int]:
    """Give every image of a store its ``class_label`` from another column, such as ``group`` or ``severity``.

    Labels are numbered by how frequent they are among the training images, 0 the most frequent, so the highest are the
    rarest; those without a training image come last. A column ``class_label`` that came with the data stays as it is.

    Args:
        store: the images.
        column: where the labels are.
        num_class_labels: how many there must be.
        run_dir: the run folder; ``labels.json`` in it gets the number of each label.

    Returns:
        Number by label.

    Raises:
        ValueError: there is no such column, an image has no label, or there are not ``num_class_labels``.
    """
    table = store.table
    if column not in table or table[column].isna().any():
        raise ValueError(
            f"label_column must be a column of {store.path} with a value for every image, got {column!r}; "
            f"it has {', '.join(table.columns)}"
        )
    counts = table[column][table[Column.SPLIT] == Split.TRAIN].value_counts()
    names = sorted(table[column].unique(), key=lambda name: (-counts.get(name, 0), name))
    if column == Column.CLASS_LABEL:
        names = sorted(names)
    if len(names) != num_class_labels:
        raise ValueError(
            f"num_class_labels must be the number of values of column {column}, {len(names)} "
            f"({', '.join(map(str, names[:10]))}), got {num_class_labels}"
        )
    numbers = {str(name): number for number, name in enumerate(names)}
    if column == Column.CLASS_LABEL:
        if names != list(range(len(names))):
            raise ValueError(f"column {column} must hold integers 0 … {len(names) - 1}, got {names[:10]}")
    else:
        store.add_columns(**{Column.CLASS_LABEL.value: table[column].astype(str).map(numbers)})
    with whole_file(Path(run_dir) / "labels.json") as partial:
        partial.write_text(json.dumps(numbers, indent=2) + "\n", encoding="utf-8")
    return numbers


def spread_labels(store: ImageStore, count: int) -> list[int]:
    """``count`` class labels in ascending order, each as often as its share among the training images.

    Raises:
        ValueError: the store has no class labels.
    """
    if Column.CLASS_LABEL not in store.table:
        raise ValueError(f"{store.path} has no column {Column.CLASS_LABEL}; run the stage label first (label.yaml)")
    labels = np.sort(store.subset(split=Split.TRAIN.value).table[Column.CLASS_LABEL].to_numpy())
    return labels[evenly(len(labels), count)].tolist()
