"""Scores to ordinal minority classes."""

import os
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from monai_minority.data import ImageStore
from monai_minority.keys import Column, Split
from monai_minority.run import Stage
from monai_minority.scoring import QuantileClasses, score_ranks


@dataclass(kw_only=True)
class Cut(Stage):
    """Cut the scores at the quantiles of the training images, and give every image of the store its class.

    Leaves ``classes.json``, the thresholds, and the columns ``minority_class`` and ``score_rank``.
    """

    store: ImageStore
    num_classes: int | Mapping[Hashable, int]
    group_column: str | None = None  # thresholds are taken within its values (Appendix B)
    spacing: str = "equal"

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
        return {Column.MINORITY_CLASS, Column.SCORE_RANK} <= set(self.store.table)

    @property
    def made(self) -> str:
        count = self.num_classes
        return "classes of each group" if isinstance(count, Mapping) else f"{count} classes, {count - 1} the rarest"

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
        classes = QuantileClasses(self.num_classes, self.spacing)
        classes.fit(scores[train], None if groups is None else groups[train])
        classes.save(self.folder.classes)
        ranks = score_ranks(scores, train, groups)
        self.store.add_columns(
            **{str(Column.MINORITY_CLASS): classes.transform(scores, groups), str(Column.SCORE_RANK): ranks}
        )
        print(classes.report())


def class_ranks(store: ImageStore) -> list[float]:
    """The rank that stands for each minority class: the mean of its training images' ranks.

    Args:
        store: images that the stage ``cut`` has given classes and ranks.

    Returns:
        ``[L]``, ascending, in [0, 1].

    Raises:
        ValueError: the store has no ranks, or a class has no training image.

    Example:
        >>> import tempfile
        >>> import numpy as np
        >>> from monai_minority.data import ImageStore
        >>> from monai_minority.stages import class_ranks
        >>> table = {"split": "train", "minority_class": [0, 0, 1, 1], "score_rank": [0.125, 0.375, 0.625, 0.875]}
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     class_ranks(ImageStore.create(f"{folder}/store", np.zeros((4, 1, 2, 2), np.uint8), table, (0, 255)))
        [0.25, 0.75]
    """
    missing = [str(name) for name in (Column.MINORITY_CLASS, Column.SCORE_RANK) if name not in store.table]
    if missing:
        raise ValueError(f"{store.path} has no column {missing[0]}; run the stage cut first (cut.yaml)")
    trained = store.table[store.table[Column.SPLIT] == Split.TRAIN]
    means = trained.groupby(Column.MINORITY_CLASS.value)[Column.SCORE_RANK.value].mean()
    empty = sorted(set(range(int(means.index.max()) + 1)) - set(means.index))
    if empty:
        raise ValueError(f"minority classes must each have a training image, {empty} have none; ask for fewer classes")
    return means.sort_index().tolist()


IMAGES_A_CLASS = 24
"""Training images of the rarest class that ``auto`` asks for."""

MOST_CLASSES = 100
"""As many as the paper has."""


def count_classes(
    num_classes: int | str, store_path: str | os.PathLike[str], group_column: str | None = None, spacing: str = "equal"
) -> int:
    """The number of minority classes, chosen from the number of training images where it is ``auto``.

    Classes are as fine as :data:`IMAGES_A_CLASS` training images in the rarest one allow: the finer they are, the rarer
    is what the rarest one aims at. The findings show the measurement behind the number.

    Args:
        num_classes: a number, which stays, or ``auto``.
        store_path: the store that is counted, for ``auto`` alone.
        group_column: column within whose values the classes are cut: the smallest group counts.
        spacing: of the classes.

    Raises:
        ValueError: it is neither a number nor ``auto``, or there are too few training images for two classes.

    Example:
        >>> import tempfile
        >>> import numpy as np
        >>> from monai_minority.data import ImageStore
        >>> from monai_minority.stages import count_classes
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     pixels, table = np.zeros((300, 1, 2, 2), np.uint8), {"split": ["train"] * 240 + ["test"] * 60}
        ...     store = ImageStore.create(f"{folder}/store", pixels, table, (0, 255))
        ...     count_classes("auto", f"{folder}/store"), count_classes("auto", f"{folder}/store", spacing="tail")
        (10, 4)
    """
    if not isinstance(num_classes, str):
        return num_classes
    if num_classes != "auto":
        raise ValueError(f"num_classes must be a whole number, or auto, got {num_classes!r}")
    table = ImageStore.open(store_path).table
    trained = table[table[Column.SPLIT] == Split.TRAIN]
    images = len(trained) if group_column is None else int(trained[group_column].value_counts().min())
    fits = images // IMAGES_A_CLASS
    count = fits if spacing == "equal" else max(0, fits).bit_length()
    if count < 2:
        raise ValueError(
            f"num_classes auto needs {2 * IMAGES_A_CLASS} training images at least, {store_path} has {images}; give a "
            "number, such as num_classes=2, or more images"
        )
    return min(count, MOST_CLASSES)
