"""CelebA: 202,599 aligned faces with 40 attributes (Liu et al., ICCV 2015)."""

from pathlib import Path

import pandas as pd

from monai_minority.data.cohort.cohort import Cohort
from monai_minority.data.paths import Rejection
from monai_minority.data.sources.layout import PathLike, existing_set, finished, not_there
from monai_minority.keys import Column, Key, Split

LAYOUT = (
    "img_align_celeba/ with 000001.jpg …, list_eval_partition and list_attr_celeba (.txt or .csv), and optionally "
    "identity_CelebA.txt"
)
_SPLITS = {0: str(Split.TRAIN), 1: str(Split.VALIDATION), 2: str(Split.TEST)}


def celeba(path: PathLike, label: str | None = None, max_images: int | None = None) -> Cohort:
    """CelebA as its aligned pictures and its lists.

    Args:
        path: folder of the lists, or of a folder ``celeba`` with them.
        label: attribute that becomes ``class_label`` (0, 1) and ``group``, such as ``Eyeglasses``.
        max_images: at most so many images of each split.

    Returns:
        A cohort with ``split`` as published and a column of 0 and 1 for each attribute. The subject is the person
        where ``identity_CelebA.txt`` tells it, else the picture. Pictures that are listed but not there are counted
        in one rejected entry.

    Raises:
        FileNotFoundError: pictures or lists are missing; the message says what was expected.
        ValueError: ``label`` is no attribute.
    """
    path = existing_set(path, "CelebA", LAYOUT)
    if (path / "celeba").is_dir():
        path = path / "celeba"
    pictures = path / "img_align_celeba"
    if (pictures / pictures.name).is_dir():  # as some archives unpack
        pictures = pictures / pictures.name
    partition, attributes = _table(path, "list_eval_partition"), _table(path, "list_attr_celeba")
    if partition is None or attributes is None or not pictures.is_dir():
        raise not_there(path, "CelebA", LAYOUT)
    table = partition.iloc[:, 0].astype(int).map(_SPLITS).rename(str(Column.SPLIT)).to_frame()
    table = table.join((attributes.astype(int) > 0).astype(int))
    if label is not None:
        if label not in attributes:
            raise ValueError(f"label must be an attribute of CelebA, got {label!r}; it has {', '.join(attributes)}")
        table[str(Column.CLASS_LABEL)] = table[label]
        table[str(Column.GROUP)] = table[label].map({0: f"not {label}", 1: label})
    people = _table(path, "identity_CelebA")
    name = table.index.to_series()
    table[str(Column.SUBJECT)] = (
        name if people is None else people.iloc[:, 0].reindex(name).fillna(name).map("{}".format)
    )
    table[str(Key.IMAGE)] = str(pictures) + "/" + name
    there = name.isin({file.name for file in pictures.iterdir()})
    if not there.any():
        raise not_there(pictures, "CelebA", "000001.jpg …")
    rejected = []
    if not there.all():
        reason = (
            f"{(~there).sum()} of the {len(table)} listed pictures are not there, the first is {name[~there].iloc[0]}"
        )
        rejected.append(Rejection(str(pictures), "", reason))
    return finished(Cohort.from_records(table[there], rejected), max_images)


def _table(path: Path, name: str) -> pd.DataFrame | None:
    """A list by file name, in the text format or as CSV; ``None`` where there is neither."""
    if (path / f"{name}.csv").is_file():
        return pd.read_csv(path / f"{name}.csv", index_col=0)
    file = path / f"{name}.txt"
    if not file.is_file():
        return None
    if name == "list_attr_celeba":  # a line with the number of pictures, one with the attributes, then the pictures
        return pd.read_csv(file, sep=r"\s+", skiprows=1)
    return pd.read_csv(file, sep=r"\s+", header=None, index_col=0)
