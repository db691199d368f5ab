"""The store of a study's cell: the run's pixels, with a table that the cell's stages may change."""

from pathlib import Path

import numpy as np

from monai_minority.data.store.copy import copy_store, link_store
from monai_minority.data.store.image_store import ImageStore, evenly
from monai_minority.files import write_csv
from monai_minority.keys import Column, Split

ROW = "run_row"
UNLABELLED = "unlabelled"
_LATER = (Column.MINORITY_CLASS.value, Column.SCORE_RANK.value)


def own_store(source: ImageStore, path: str | Path, images: int | None = None, share: float = 1.0) -> ImageStore:
    """Create a store that shares the run's pixels and has its own table.

    Args:
        source: the run's store.
        path: folder of the store; an existing folder is replaced.
        images: largest number of images, evenly over the store. ``None`` takes all images and writes their scores to
            ``scores.csv`` next to the store, for the stage that cuts them into classes. Neither store has classes.
        share: share of the training subjects that keep the split ``train``, at least two, evenly over their pseudonyms.
            The split of the others becomes :data:`UNLABELLED`, so that no stage learns from them.

    Returns:
        The store, with the column :data:`ROW`, which is the row in ``source``. If it has a ``group`` but no
        ``class_label``, it gets a ``class_label``: the position of the group among the sorted groups.

    Raises:
        ValueError: ``share`` is not in (0, 1].

    Example:
        Half of the training subjects keep their scores:

        >>> import tempfile
        >>> import numpy as np
        >>> from monai_minority.data import ImageStore
        >>> from monai_minority.studies import own_store
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     table = {"source": list("abcde"), "slice": 0, "subject": list("abcde")}
        ...     table |= {"split": ["train"] * 4 + ["test"], "minority_score": range(5), "minority_score_error": 0.1}
        ...     store = ImageStore.create(f"{folder}/store", np.zeros((5, 1, 2, 2), np.uint8), table, (0, 255))
        ...     own = own_store(store, f"{folder}/half", share=0.5)
        ...     own.table["split"].tolist()
        ['train', 'unlabelled', 'unlabelled', 'train', 'test']
    """
    if not 0 < share <= 1:
        raise ValueError(f"share must be in (0, 1], got {share}")
    table = source.table
    columns = {ROW: np.arange(len(source))}
    if Column.CLASS_LABEL not in table and Column.GROUP in table:
        columns[Column.CLASS_LABEL.value] = np.unique(table[Column.GROUP].astype(str), return_inverse=True)[1]
    split = table[Column.SPLIT].to_numpy(dtype=object)
    trained = split == Split.TRAIN
    subjects = np.unique(table[Column.SUBJECT].to_numpy()[trained])
    kept = subjects[evenly(len(subjects), max(2, round(share * len(subjects))))]
    split[trained & ~table[Column.SUBJECT].isin(kept).to_numpy()] = UNLABELLED
    columns[Column.SPLIT.value] = split
    if images is None:
        scores = [Column.SOURCE.value, Column.SLICE.value, Column.SCORE.value, Column.SCORE_ERROR.value]
        write_csv(table.filter(scores), Path(path).with_name("scores.csv"))  # for the stage that cuts them
        return link_store(source, path, columns={**columns, **dict.fromkeys(_LATER)})
    rows = evenly(len(source), images)
    mask = np.zeros(len(source), bool)
    mask[rows] = True
    return copy_store(source.subset(mask), path, columns={name: values[mask] for name, values in columns.items()})
