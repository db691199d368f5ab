"""A cohort of pictures in folders, one folder a class."""

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from monai_minority.data.cohort.cases import LABEL_MAP
from monai_minority.data.cohort.cohort import Cohort, UnusableDataError
from monai_minority.data.cohort.contents import FolderContents, Kind
from monai_minority.data.cohort.lists import SECTIONS
from monai_minority.data.paths import PathLike, Rejection, stem
from monai_minority.keys import Column, Key

_INNER = {"images", "image", "imgs", "img", "pictures", "photos", "jpg", "jpeg", "jpegs", "png", "pngs", "data"}
_MASK = re.compile(r"(.+?)[_\-. ](mask|seg|segmentation|label|labels|gt|groundtruth)([_\-. ]?\d+)?$", re.IGNORECASE)


def cohort_from_pictures(folder: PathLike | FolderContents, subject_pattern: str | None = None) -> Cohort:
    """The pictures under ``folder`` (JPEG, PNG, WebP, TIFF, BMP). The name of the folder of a picture is its group.

    An inner folder that every class has (``cat/images/1.png``, ``dog/images/1.png``) is no group. Masks beside their
    pictures (``1.png``, ``1_mask.png``) are passed over.

    Args:
        folder: where to look, at any depth. Hidden files and folders are skipped.
        subject_pattern: regular expression that finds the subject in the path, see :func:`cohort_from_folder`.
            ``None``: every picture counts as a separate subject.

    Returns:
        A cohort with ``group`` and ``class_label``, which numbers the groups in alphabetical order from 0.

    Raises:
        FileNotFoundError: the folder does not exist.
        ValueError: the folder has no usable picture.

    Example:
        >>> import tempfile
        >>> from pathlib import Path
        >>> from monai_minority.data import cohort_from_pictures
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     for name in ("healthy", "ill"):
        ...         (Path(folder) / name).mkdir()
        ...         (Path(folder) / name / "1.png").touch()
        ...     cohort_from_pictures(folder).table[["subject", "group", "class_label"]].to_numpy().tolist()
        [['healthy/1.png', 'healthy', 0], ['ill/1.png', 'ill', 1]]
    """
    contents = FolderContents.of(folder)
    rejected = list(contents.unreadable)
    files, masks = _without_masks(contents)
    if not files:
        raise UnusableDataError(f"there is no picture under {contents.root}; it holds {contents.summary()}", rejected)
    classes = _classes([file.relative_to(contents.root) for file in files])
    labels = {name: label for label, name in enumerate(sorted(set(classes)))}
    records = []
    for file, group in zip(files, classes, strict=True):
        below = file.relative_to(contents.root).as_posix()
        found = re.search(subject_pattern, below) if subject_pattern else None
        if subject_pattern and not found:
            rejected.append(Rejection(str(file), "", f"the path does not match subject_pattern {subject_pattern!r}"))
            continue
        name = found[1] if found else below
        records.append(
            {Key.IMAGE: file, Column.SUBJECT: name, Column.GROUP: group, str(Column.CLASS_LABEL): labels[group]}
        )
    passed_over = [Rejection(str(file), "", LABEL_MAP) for file in masks]
    passed_over += contents.rest({str(file) for file in (*files, *masks)})
    cohort = Cohort.from_records(records, rejected, passed_over, "pictures in folders")
    return replace(cohort, holds=contents.summary())


def _classes(below: Sequence[Path]) -> list[str]:
    """The class of each picture: the folder it is in, without an inner one that is the same in every class."""
    folders = [path.parts[:-1] for path in below]
    while True:
        last = {parts[-1] for parts in folders if parts}
        outer = {parts[:-1] for parts in folders if parts}
        above = {parts[-1] for parts in outer if parts}
        inner = len(last) == 1 and all(outer) and (len(above) > 1 or next(iter(last)).lower() in _INNER)
        if not inner or not all(folders) or {name.lower() for name in above} & set(SECTIONS):
            return [parts[-1] if parts else "" for parts in folders]
        folders = [parts[:-1] for parts in folders]


def _without_masks(contents: FolderContents) -> tuple[list[Path], list[Path]]:
    """The pictures, and those that are masks: called after another picture (``1.png``, ``1_mask.png``)."""
    files = contents.files[Kind.PICTURE]
    known = {(file.parent, stem(file.name).lower()) for file in files}
    masks = {
        file for file in files if (found := _MASK.match(stem(file.name))) and (file.parent, found[1].lower()) in known
    }
    return [file for file in files if file not in masks], [file for file in files if file in masks]
