"""Pictures in folders, with folders for classes, splits, both or neither."""

from dataclasses import replace

import pandas as pd

from monai_minority.data.cohort.cohort import Cohort
from monai_minority.data.cohort.lists import SECTIONS
from monai_minority.data.cohort.pictures import cohort_from_pictures
from monai_minority.data.paths import Rejection
from monai_minority.data.sources.layout import PathLike, existing_set, finished
from monai_minority.keys import Column, Key

LAYOUT = "pictures (.jpg, .png, .webp) as <class>/…, as train/<class>/… and val/<class>/…, or without classes"


def image_folder(path: PathLike, max_images: int | None = None) -> Cohort:
    """The pictures under a folder.

    Top-level folders ``train``, ``val`` and ``test`` (and their synonyms in data lists) are splits. The folder of a
    picture is its class; classes are numbered in alphabetical order. Pictures directly in ``path`` or in the folder of
    a split have no class.

    Args:
        path: the folder.
        max_images: largest number of pictures per split. ``None`` keeps all.

    Returns:
        A cohort with ``split``, ``group`` (name of the class) and ``class_label``, as far as the folders define them.
        If there are splits or classes, pictures outside their folders are rejected.

    Raises:
        FileNotFoundError: the folder does not exist.
        ValueError: the folder has no picture.

    Example:
        >>> import tempfile
        >>> from pathlib import Path
        >>> from monai_minority.data.sources import image_folder
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     for place in ("train/cat", "train/dog", "val/dog"):
        ...         (Path(folder) / place).mkdir(parents=True)
        ...         (Path(folder) / place / "1.png").touch()
        ...     table = image_folder(folder).table
        >>> table[["split", "group", "class_label"]].to_numpy().tolist()
        [['train', 'cat', 0], ['train', 'dog', 1], ['validation', 'dog', 1]]
    """
    cohort = cohort_from_pictures(existing_set(path, "a folder of images", LAYOUT))
    parts = cohort.table[Column.SUBJECT].str.partition("/")
    split = parts[0].str.lower().map(SECTIONS).where(parts[1] != "")
    inner = parts[2].where(split.notna(), cohort.table[Column.SUBJECT])
    classed = inner.str.contains("/", regex=False)
    reasons = pd.Series("", index=cohort.table.index)
    if split.notna().any():
        reasons[split.isna()] = (
            f"the picture is outside the folders of the splits ({', '.join(parts[0][split.notna()].unique())})"
        )
    if classed.any():
        reasons[~classed & (reasons == "")] = "the picture is outside the folders of the classes"
    table = cohort.table.assign(
        **{str(Column.SPLIT): split.map(str, na_action="ignore").astype(object).where(split.notna(), None)}
    )
    bad = reasons != ""
    rejected = map(Rejection, table.loc[bad, Key.IMAGE], table.loc[bad, Column.SUBJECT], reasons[bad])
    table = table[~bad].reset_index(drop=True)
    if not classed.any():
        table = table.drop(columns=str(Column.CLASS_LABEL)).assign(**{str(Column.GROUP): None})
    else:  # a folder with only rejected pictures is not a class
        names = sorted(table[Column.GROUP].unique())
        table[str(Column.CLASS_LABEL)] = table[Column.GROUP].map({name: label for label, name in enumerate(names)})
    return finished(replace(cohort, table=table, rejected=[*cohort.rejected, *rejected]), max_images)


def with_class_labels(cohort: Cohort, names: list[str], name: str) -> Cohort:
    """Give a cohort of :func:`image_folder` the class numbers of a known data set.

    Alphabetical numbers would be wrong if a class is missing. Pictures of an unknown class are rejected.

    Raises:
        ValueError: no picture has a known class.
    """
    labels = cohort.table[Column.GROUP].map({name: label for label, name in enumerate(names)})
    known = labels.notna()
    if not known.any():
        raise ValueError(
            f"the folders of the pictures must be named after the classes of {name} ({', '.join(names[:3])}, …), got "
            + ", ".join(map(str, cohort.table[Column.GROUP].unique()[:5]))
        )
    strangers = cohort.table[~known]
    reasons = "its folder " + strangers[Column.GROUP] + f" is not a class of {name}"
    rejected = map(Rejection, strangers[Key.IMAGE], strangers[Column.SUBJECT], reasons)
    table = cohort.table[known].assign(**{str(Column.CLASS_LABEL): labels[known].astype(int)}).reset_index(drop=True)
    return replace(cohort, table=table, rejected=[*cohort.rejected, *rejected])
