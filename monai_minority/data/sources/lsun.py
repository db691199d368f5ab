"""LSUN: photographs of scenes, for example three million bedrooms (Yu et al., 2015)."""

import io
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from monai_minority.data.cohort.cohort import Cohort
from monai_minority.data.paths import Rejection
from monai_minority.data.sources.image_folder import image_folder
from monai_minority.data.sources.layout import PathLike, array_cohort, existing_set, not_there
from monai_minority.extras import from_extra
from monai_minority.keys import Split

LAYOUT = (
    "{0}_train_lmdb/ and {0}_val_lmdb/ (each with data.mdb), or the pictures of one category in folders "
    "(train/…, val/…, or all in one)"
)
_PARTS = {"train": Split.TRAIN, "val": Split.VALIDATION}


def lsun(path: PathLike, category: str = "bedroom", max_images: int | None = None) -> Cohort:
    """One category of LSUN, from its databases or from exported pictures.

    Args:
        path: folder of the databases or pictures.
        category: name of the category. The folders of its databases begin with it.
        max_images: largest number of images per split. ``None`` keeps all.

    Returns:
        A cohort with ``split`` (train, validation) and without classes.

    Raises:
        FileNotFoundError: there is no part of the data set. The message shows the expected layout.
        ModuleNotFoundError: there is a database, but the package lmdb is not installed.

    Example:
        >>> import tempfile
        >>> from pathlib import Path
        >>> from monai_minority.data.sources import lsun
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     for place in ("train", "val"):
        ...         (Path(folder) / place).mkdir()
        ...         (Path(folder) / place / "1.jpg").touch()
        ...     lsun(folder).table["split"].tolist()
        ['train', 'validation']
    """
    layout = LAYOUT.format(category)
    path = existing_set(path, "LSUN", layout)
    folders = {path / f"{category}_{name}_lmdb": split for name, split in _PARTS.items()}
    if not any((folder / "data.mdb").is_file() for folder in folders):
        try:
            return image_folder(path, max_images)
        except ValueError as error:
            raise not_there(path, "LSUN", layout) from error
    found = {folder: split for folder, split in folders.items() if (folder / "data.mdb").is_file()}
    rejected = [Rejection(str(f), "", "the database is missing from LSUN") for f in folders if f not in found]
    images = LMDBImages(list(found))
    splits = [split for split, number in zip(found.values(), images.sizes, strict=True) for _ in range(number)]
    return array_cohort(images, splits, None, rejected, max_images=max_images)


class LMDBImages(Sequence[io.BytesIO]):
    """The encoded pictures of LMDB databases, one after another, as open files.

    Args:
        folders: folders of the databases. Each process opens them itself, as LMDB requires.

    Attributes:
        sizes: number of pictures in each database.

    Raises:
        ModuleNotFoundError: the package lmdb is not installed.
    """

    def __init__(self, folders: Sequence[Path]) -> None:
        self._folders = list(folders)
        self._keys = []
        for folder in self._folders:
            with _database(folder).begin() as reading:
                self._keys.append(np.array(list(reading.cursor().iternext(values=False)), dtype=bytes))
            _opened.pop((os.getpid(), folder)).close()  # a forked process must not inherit it
        self.sizes = [len(keys) for keys in self._keys]
        self._ends = np.cumsum(self.sizes)

    def __len__(self) -> int:
        return int(self._ends[-1])

    def __getitem__(self, index: int) -> io.BytesIO:  # type: ignore[override]
        if not 0 <= index < len(self):
            raise IndexError(f"index must be in [0, {len(self)}), got {index}")
        part = int(np.searchsorted(self._ends, index, side="right"))
        key = self._keys[part][index - self._ends[part]]  # a negative index, counted from the end of this part
        with _database(self._folders[part]).begin() as reading:
            return io.BytesIO(reading.get(bytes(key)))


_opened: dict[tuple[int, Path], Any] = {}
"""Open databases by process and folder; a process may open each database once."""


def _database(folder: Path) -> Any:
    lmdb = from_extra("lmdb", "natural", "reading LSUN's databases")
    place = (os.getpid(), folder)
    if place not in _opened:
        _opened[place] = lmdb.open(str(folder), readonly=True, lock=False, readahead=False)
    return _opened[place]
