"""Any pictures in folders, with a folder a class, a split, both or neither."""

from dataclasses import replace

import pandas as pd

from monai_minority.data.cohort.cohort import Cohort
from monai_minority.data.cohort.find import SECTIONS, cohort_from_pictures
from monai_minority.data.paths import Rejection
from monai_minority.data.sources.layout import PathLike, existing_set, finished
from monai_minority.keys import Column, Key

LAYOUT = "pictures (.jpg, .png, .webp) as <class>/…, as train/<class>/… and val/<class>/…, or without classes"


def image_folder(path: PathLike, max_images: int | None = None) -> Cohort:
    """The pictures under a folder.

    Folders ``train``, ``val``, ``test`` (and what else data lists call the splits) at the top are splits; the
    folder of a picture is its class, numbered in alphabetical order. Pictures directly in ``path``, or in a
    split's folder, have no class.

    Args:
        path: the folder.
        max_images: at most so many pictures of each split.

    Returns:
        A cohort with ``split``, ``group`` (name of the class) and ``class_label`` where the folders tell them.
        Pictures that lie outside of what the others are in are rejected.

    Raises:
        FileNotFoundError: there is no such folder.
        ValueError: it holds no picture.
    """
    cohort = cohort_from_pictures(existing_set(path, "a folder of images", LAYOUT))
    parts = cohort.table[Column.SUBJECT].str.partition("/")
    split = parts[0].str.lower().map(SECTIONS).where(parts[1] != "")
    inner = parts[2].where(split.notna(), cohort.table[Column.SUBJECT])
    classed = inner.str.contains("/", regex=False)
    reasons = pd.Series("", index=cohort.table.index)
    if split.notna().any():
        reasons[split.isna()] = (
            f"the picture is in none of the folders of splits ({', '.join(parts[0][split.notna()].unique())})"
        )
    if classed.any():
        reasons[~classed & (reasons == "")] = "the picture lies beside the folders of the classes, not in one of them"
    table = cohort.table.assign(
        **{str(Column.SPLIT): split.map(str, na_action="ignore").astype(object).where(split.notna(), None)}
    )
    bad = reasons != ""
    rejected = [
        Rejection(file, subject, reason)
        for file, subject, reason in zip(
            table.loc[bad, Key.IMAGE], table.loc[bad, Column.SUBJECT], reasons[bad], strict=True
        )
    ]
    table = table[~bad].reset_index(drop=True)
    if not classed.any():
        table = table.drop(columns=str(Column.CLASS_LABEL)).assign(**{str(Column.GROUP): None})
    else:  # a folder of rejected pictures is no class
        names = sorted(table[Column.GROUP].unique())
        table[str(Column.CLASS_LABEL)] = table[Column.GROUP].map({name: label for label, name in enumerate(names)})
    return finished(replace(cohort, table=table, rejected=[*cohort.rejected, *rejected]), max_images)


def with_class_labels(cohort: Cohort, names: list[str], name: str) -> Cohort:
    """The cohort of :func:`image_folder` with the class numbers of a known data set.

    Numbers in alphabetical order would be wrong where a class is missing. Pictures of an unknown class are
    rejected.

    Raises:
        ValueError: no picture is of a known class.
    """
    labels = cohort.table[Column.GROUP].map({name: label for label, name in enumerate(names)})
    known = labels.notna()
    if not known.any():
        raise ValueError(
            f"the folders of the pictures must be named after the classes of {name} ({', '.join(names[:3])}, …), got "
            + ", ".join(map(str, cohort.table[Column.GROUP].unique()[:5]))
        )
    strangers = cohort.table[~known]
    rejected = [
        Rejection(file, subject, f"its folder {group} is no class of {name}")
        for file, subject, group in zip(
            strangers[Key.IMAGE], strangers[Column.SUBJECT], strangers[Column.GROUP], strict=True
        )
    ]
    table = cohort.table[known].assign(**{str(Column.CLASS_LABEL): labels[known].astype(int)}).reset_index(drop=True)
    return replace(cohort, table=table, rejected=[*cohort.rejected, *rejected])
