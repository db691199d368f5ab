"""Helpers of the data sets: locate files, and make tables of images that share files."""

import hashlib
import logging
import pickle
import zipfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from itertools import accumulate
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from monai_minority.data.cohort.cohort import STANDARD_COLUMNS, Cohort
from monai_minority.data.paths import PathLike, Rejection
from monai_minority.keys import Column, Key

logger = logging.getLogger(__name__)

_SHOWN = 8
_UNREADABLE = (OSError, ValueError, KeyError, EOFError, pickle.UnpicklingError, zipfile.BadZipFile)


def existing_set(path: PathLike, name: str, expected: str) -> Path:
    """Return the path of a data set.

    Raises:
        FileNotFoundError: the path does not exist.
    """
    path = Path(path).expanduser()
    if not path.exists():
        raise FileNotFoundError(f"{path} does not exist; {name} is expected there: {expected}")
    return path


def not_there(path: Path, name: str, expected: str, rejected: Sequence[Rejection] = ()) -> FileNotFoundError:
    """The error for a data set that is not at ``path``: it says what was expected and what was found."""
    found = sorted(entry.name for entry in path.iterdir()) if path.is_dir() else ["a file"]
    listed = ", ".join(found[:_SHOWN]) + (f" and {len(found) - _SHOWN} more" if len(found) > _SHOWN else "")
    reasons = "".join(f"; {entry.file} {entry.reason}" for entry in rejected[:2])
    return FileNotFoundError(f"{path} holds no {name}: expected {expected}; found {listed or 'nothing'}{reasons}")


class ArrayImages(Sequence[np.ndarray]):
    """The images of several arrays, one after another.

    A worker process that receives a pickled copy opens the files again, so no pixels are transferred and memory maps
    remain memory maps.

    Args:
        parts: for each file, a picklable function without arguments that returns its images: uint8 ``[N, H, W]`` or
            ``[N, H, W, 3]``.
    """

    def __init__(self, parts: Sequence[Callable[[], np.ndarray]]) -> None:
        self._parts = list(parts)
        self._arrays = [part() for part in self._parts]
        self._ends = np.array(list(accumulate(len(array) for array in self._arrays)), dtype=np.int64)

    def __len__(self) -> int:
        return int(self._ends[-1]) if len(self._ends) else 0

    def __getitem__(self, index: int) -> np.ndarray:  # type: ignore[override]
        if not 0 <= index < len(self):
            raise IndexError(f"index must be in [0, {len(self)}), got {index}")
        part = int(np.searchsorted(self._ends, index, side="right"))
        array = self._arrays[part]
        return np.ascontiguousarray(array[index - int(self._ends[part])])

    def __reduce__(self) -> tuple:
        return ArrayImages, (self._parts,)


class Parts(NamedTuple):
    """The readable files of a data set, one after another."""

    images: ArrayImages
    splits: list[str]
    """Split of each image."""
    labels: np.ndarray
    """Label of each image ``[N]``."""
    rejected: list[Rejection]


def read_parts(
    path: Path,
    name: str,
    expected: str,
    files: Mapping[Path, str],
    labels: Callable[[Path], np.ndarray],
    images: Callable[[Path], np.ndarray],
) -> Parts:
    """Read a data set that is published in several files. Missing and damaged files are rejected.

    Args:
        path: folder of the files.
        name: name of the data set.
        expected: layout of the data set, for the error message.
        files: split of each file.
        labels: returns the labels ``[N]`` of a file, or raises if the file is damaged.
        images: returns the images of a file; see :class:`ArrayImages`.

    Raises:
        FileNotFoundError: none of the files could be read.
    """
    rejected: list[Rejection] = []
    parts, splits, numbers = [], [], []
    for file, split in files.items():
        try:
            own = labels(file)
        except _UNREADABLE as error:
            reason = f"the file is missing from {name}" if isinstance(error, FileNotFoundError) else str(error)
            rejected.append(Rejection(str(file), "", reason))
            continue
        parts.append(partial(images, file))
        splits += [split] * len(own)
        numbers.append(own)
    if not parts:
        raise not_there(path, name, expected, rejected)
    return Parts(ArrayImages(parts), splits, np.concatenate(numbers), rejected)


def array_cohort(
    images: Sequence[Any],
    splits: Sequence[Any],
    labels: np.ndarray | None,
    rejected: Sequence[Rejection],
    names: Sequence[str] | None = None,
    max_images: int | None = None,
) -> Cohort:
    """A cohort of images that share files, with the split of each, if known, its class number ``[N]``, and the names of
    the classes, or the numbers as names. It is :func:`finished`."""
    width = len(str(max(1, len(images) - 1)))
    table = pd.DataFrame({str(name): None for name in STANDARD_COLUMNS}, index=range(len(images)), dtype=object)
    table[str(Key.IMAGE)] = np.arange(len(images))
    table[str(Column.SUBJECT)] = [f"image {i:0{width}d}" for i in range(len(images))]
    table[str(Column.SPLIT)] = list(map(str, splits)) if len(splits) and splits[0] is not None else None
    table[str(Column.SEVERITY)] = np.nan
    if labels is not None:
        table[str(Column.GROUP)] = [str(number) if names is None else names[number] for number in labels.tolist()]
        table[str(Column.CLASS_LABEL)] = labels
    return finished(Cohort(table, list(rejected), images), max_images)


def finished(cohort: Cohort, max_images: int | None = None) -> Cohort:
    """The last steps of the function of every data set.

    A data set with a single split, for example only training images, loses this split, because otherwise all images
    would be used for training. The prepare stage then splits it.

    Args:
        cohort: the whole data set.
        max_images: largest number of images per split. They are chosen by a hash of their names, so the choice does
            not depend on the order or on the machine. ``None`` keeps all.
    """
    table = cohort.table
    splits = table[Column.SPLIT]
    if splits.notna().any() and splits.nunique(dropna=False) == 1:
        logger.warning("the data set has only %s images; it is split like a data set without splits", splits.iloc[0])
        table = table.assign(**{str(Column.SPLIT): None})
    if max_images is not None:
        if max_images < 1:
            raise ValueError(f"max_images must be at least 1, got {max_images}; null keeps all")
        order = table[Column.SUBJECT].map(lambda name: hashlib.sha256(str(name).encode()).digest())
        place = order.groupby(table[Column.SPLIT].fillna("")).rank(method="first")
        table = table[place <= max_images].reset_index(drop=True)
    return replace(cohort, table=table)
