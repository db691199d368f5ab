"""Results of the score and cut stages, into the store's table and the run folder."""

import os
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from monai_minority.data import ImageStore
from monai_minority.keys import Column, Split
from monai_minority.scoring import QuantileClasses


def record_scores(results: np.ndarray, store: ImageStore, run_dir: str | os.PathLike[str]) -> None:
    """Write scores into the store's table and ``scores.csv``.

    Args:
        results: ``[N, 2]``, score and standard error of each image of the store.
        store: the scored images.
        run_dir: the run folder.

    Raises:
        ValueError: a score is not finite; the images are named.
    """
    broken = ~np.isfinite(results[:, 0])
    if broken.any():
        sources = store.table[Column.SOURCE][broken].tolist()
        raise ValueError(
            f"{broken.sum()} image(s) have no finite minority score, for instance {', '.join(map(str, sources[:5]))}; "
            "the network or the distance gave NaN for them: look at the images, and at the training loss"
        )
    columns = {str(Column.SCORE): results[:, 0], str(Column.SCORE_ERROR): results[:, 1]}
    store.add_columns(**columns)
    identity = store.table[[Column.SOURCE, Column.SLICE]]
    pd.concat([identity, pd.DataFrame(columns)], axis=1).to_csv(Path(run_dir) / "scores.csv", index=False)


def cut_classes(
    store: ImageStore, num_classes: Any, run_dir: str | os.PathLike[str], group_column: str | None = None
) -> QuantileClasses:
    """Cut the scores of the training images into ordinal classes and give every image of the store its class.

    Args:
        store: scored images; thresholds come from its training split alone.
        num_classes: number of classes, or a number for each group.
        run_dir: the run folder; ``classes.json`` in it gets the thresholds.
        group_column: column within whose values thresholds are taken (Appendix B), ``None`` for none.

    Returns:
        The fitted classes.

    Raises:
        ValueError: the store has no scores yet, or no such column.
    """
    table = store.table
    if Column.SCORE not in table:
        raise ValueError(f"{store.path} has no column {Column.SCORE}; run the score stage first (configs/score.yaml)")
    if group_column is not None and group_column not in table:
        raise ValueError(
            f"group_column must be a column of {store.path}, got {group_column!r}; carry it over from the cohort "
            "with carried_columns, or give null"
        )
    scores = table[Column.SCORE].to_numpy()
    groups = None if group_column is None else table[group_column].to_numpy()
    train = (table[Column.SPLIT] == Split.TRAIN).to_numpy()
    classes = QuantileClasses(num_classes)
    classes.fit(scores[train], None if groups is None else groups[train])
    classes.save(Path(run_dir) / "classes.json")
    store.add_columns(**{str(Column.MINORITY_CLASS): classes.transform(scores, groups)})
    print(classes.report())
    return classes
