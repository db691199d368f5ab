"""Images and their table in one folder. Every stage after extraction reads and writes such stores."""

import hashlib
import json
import os
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Self

import numpy as np
import pandas as pd
import torch

from monai_minority.data.store.writer import PixelWriter, blocks, check_pixels, pixels_are_known
from monai_minority.files import exclusive, read_csv, reading, whole_file, whole_folder, write_csv
from monai_minority.keys import Column, Key

FORMAT_VERSION = 1
# These columns are text even if every entry looks like a number: subject "007" must stay "007".
_TEXT_COLUMNS = (Column.SOURCE, Column.SUBJECT, Column.SPLIT, Column.GROUP)


class ImageStore(torch.utils.data.Dataset):
    """A folder of images of equal shape, with a table of one row per image.

    ``images.npy`` holds ``[N, C, H, W]`` (uint8, float16 or float32, memory-mapped). ``table.csv`` has one row per
    image, in the same order. ``store.json`` has the format version, value range, geometry, provenance and content
    hash. The folder is written under a temporary name and renamed at the end, so a store that exists is complete.
    The columns ``source`` and ``slice`` identify an image.

    As a torch ``Dataset``, a store has dictionaries as items: the image ``[C, H, W]`` in [-1, 1], its row ``index``
    and the columns of the table. A ``DataLoader`` fetches a batch of items in one read.

    Args:
        path: folder of a complete store, see :meth:`create`.

    Raises:
        FileNotFoundError: there is no store at ``path``, or one of its files is missing.
        ValueError: the store has another format version, or the lengths of its files differ.

    Example:
        >>> import tempfile, numpy as np
        >>> from monai_minority.data import ImageStore
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     pixels = np.array([0, 255], np.uint8).reshape(2, 1, 1, 1)
        ...     store = ImageStore.create(f"{folder}/store", pixels, {"split": ["train", "test"]}, (0, 255))
        ...     store.add_columns(minority_score=[0.1, 0.4])
        ...     test = store.subset(split="test")
        ...     len(store), store.batch([1, 0]).flatten().tolist(), test.table["minority_score"].tolist()
        (2, [1.0, -1.0], [0.4])
    """

    def __init__(self, path: str | os.PathLike[str], *, _rows: np.ndarray | None = None) -> None:
        self._path = Path(path)
        self._check_file(self._path / "store.json")
        self._header = _read_header(self._path)
        if self._header.get("format_version") != FORMAT_VERSION:
            raise ValueError(
                f"{self._path} has store format {self._header.get('format_version')}, this version reads "
                f"{FORMAT_VERSION}; extract the images again"
            )
        self._table_path = self._find_table()
        for path in (self._path / "images.npy", self._table_path):
            self._check_file(path)
        with reading(self._path / "images.npy") as images:
            self._images = np.load(images, mmap_mode="r")
            if self._images.ndim != 4:
                raise ValueError(f"it holds {self._images.shape}, not [N, C, H, W]")
        self._rows = _rows
        self._load_table()

    @classmethod
    def open(cls, path: str | os.PathLike[str]) -> Self:
        """Open the store at ``path``; the same as the constructor."""
        return cls(path)

    @classmethod
    def create(
        cls,
        path: str | os.PathLike[str],
        images: np.ndarray | torch.Tensor | Iterable[np.ndarray | torch.Tensor],
        table: Any,
        value_range: tuple[float, float],
        *,
        overwrite: bool = False,
        geometry: Mapping[str, Any] | None = None,
        bounded: bool = True,
        **meta: Any,
    ) -> Self:
        """Write a store. Memory use does not grow with the number of images.

        Args:
            path: folder to create, with its parents.
            images: ``[N, C, H, W]``, or an iterable of such batches of any length. All have the same dtype: uint8,
                float16 or float32.
            table: an argument of ``pandas.DataFrame``, one row per image. It is read after the last batch, so a
                generator of batches may fill it as it goes. Alternatively another whole store, whose table is then
                shared: a column added to one is in both. Latents share the table of their images.
            value_range: the pixel values that stand for -1 and 1, for example ``(0, 255)``.
            overwrite: replace a store at ``path``. Otherwise an existing path raises.
            geometry: what the pixels measure (spacing, axis, …). It is part of the content hash.
            bounded: whether pixels outside ``value_range`` raise. Latents have no limits, so they need ``False``.
            meta: provenance as JSON values. It is not part of the content hash.

        Returns:
            The open store.

        Raises:
            FileExistsError: ``path`` exists and ``overwrite`` is false, or ``path`` is not a store.
            ValueError: wrong shape, dtype or value range, non-finite pixels or pixels outside ``value_range``
                (the message names the rows), no images, or a table of another length.
            OSError: writing failed, for example on a full disk. Nothing is left at ``path``.
        """
        path = Path(path)
        low, high = (float(v) for v in value_range)
        if not (np.isfinite([low, high]).all() and low < high):
            raise ValueError(f"value_range must be two finite ascending numbers, got {value_range}")
        if path.exists() and not overwrite:
            raise FileExistsError(f"{path} exists; choose another path or pass overwrite=True")
        if path.exists() and not (path / "store.json").is_file():
            raise FileExistsError(f"{path} exists and is not an image store, so it is not overwritten")
        with whole_folder(path, sealed=("store.json", "table.csv")) as partial:
            writer = PixelWriter(partial / "images.npy", (low, high), dict(geometry or {}), bounded)
            with writer:
                for block in blocks(images):
                    writer.append(block)
            frame = table if isinstance(table, ImageStore) else pd.DataFrame(table)
            if len(frame) != writer.count:
                raise ValueError(f"table must have one row an image, got {len(frame)} rows for {writer.count} images")
            shared = {}
            if isinstance(frame, ImageStore):
                if frame._rows is not None:
                    raise ValueError(f"table must be a whole store to be shared, got a subset of {frame.path}")
                place = os.path.relpath(frame.path, path)
                _check_place(path, place)
                shared["table_of"] = {"path": place, "content_hash": frame.content_hash}
            else:
                write_csv(frame, partial / "table.csv")
            header = shared | {
                "format_version": FORMAT_VERSION,
                "content_hash": writer.digest(),
                "value_range": [low, high],
                "geometry": dict(geometry or {}),
                "meta": meta,
            }
            with whole_file(partial / "store.json") as file:
                file.write_text(json.dumps(header, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
        pixels_are_known(path)
        return cls(path)

    @property
    def path(self) -> Path:
        """Folder of the store."""
        return self._path

    @property
    def table(self) -> pd.DataFrame:
        """One row per image; change it with :meth:`add_columns`."""
        return self._table.copy(deep=False)

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """``(C, H, W)``."""
        _, *shape = self._images.shape
        return tuple(shape)

    @property
    def dtype(self) -> np.dtype:
        """Type of the stored pixels."""
        return self._images.dtype

    @property
    def value_range(self) -> tuple[float, float]:
        """Stored values that stand for -1 and 1."""
        low, high = self._header["value_range"]
        return low, high

    @property
    def geometry(self) -> dict[str, Any]:
        """What the pixels measure, as given to :meth:`create`."""
        return dict(self._header["geometry"])

    @property
    def meta(self) -> dict[str, Any]:
        """Provenance, as given to :meth:`create`."""
        return dict(self._header["meta"])

    @property
    def content_hash(self) -> str:
        """SHA-256 of pixels, value range and geometry, and of the rows of a subset; columns do not count."""
        whole = self._header["content_hash"]
        if self._rows is None:
            return whole
        return hashlib.sha256(whole.encode() + self._rows.astype("<i8").tobytes()).hexdigest()

    @property
    def rows(self) -> np.ndarray:
        """int64 ``[len(self)]``: the rows of ``images.npy``; a subset has some of them."""
        return np.arange(len(self._images)) if self._rows is None else self._rows.copy()

    def __len__(self) -> int:
        return len(self._table)

    def __getitem__(self, index: int) -> dict[str, Any]:
        return self.__getitems__([index])[0]

    def __getitems__(self, indices: Sequence[int]) -> list[dict[str, Any]]:
        """The items of ``indices`` in one read; torch's ``DataLoader`` calls it once per batch."""
        images = self.batch(indices)
        positions = [range(len(self))[i] for i in indices]
        return [
            {
                **{name: _plain(values[i]) for name, values in self._columns.items()},
                Key.INDEX.value: int(i if self._rows is None else self._rows[i]),
                Key.IMAGE.value: image,
            }
            for i, image in zip(positions, images, strict=True)
        ]

    def batch(self, indices: Sequence[int] | np.ndarray | torch.Tensor | slice) -> torch.Tensor:
        """The images of ``indices``, in that order, by one read in file order.

        Args:
            indices: integers in ``[-len(self), len(self))``, with or without repeats, or a slice.

        Returns:
            float32 ``[B, C, H, W]`` in [-1, 1].

        Raises:
            IndexError: an index is out of range or not an integer.
        """
        wanted = np.arange(len(self))[indices] if isinstance(indices, slice) else np.asarray(indices)
        if wanted.ndim != 1 or (wanted.size and wanted.dtype.kind not in "iu"):
            raise IndexError(f"indices must be a list of integers, got {wanted.dtype} of shape {wanted.shape}")
        wanted = wanted.astype(np.int64)
        outside = (wanted < -len(self)) | (wanted >= len(self))
        if outside.any():
            raise IndexError(f"index {wanted[outside][0]} is out of range for a store of {len(self)} images")
        wanted = np.where(wanted < 0, wanted + len(self), wanted)
        if self._rows is not None:
            wanted = self._rows[wanted]
        self.check_pixels()
        order = np.argsort(wanted, kind="stable")
        pixels = np.empty((len(wanted), *self.image_shape), dtype=self.dtype)
        pixels[order] = self._images[wanted[order]]
        low, high = self.value_range
        # At most one rounding: the ends become exactly -1 and 1, and a range of (-1, 1) changes nothing.
        values = torch.from_numpy(pixels).to(torch.float32)
        return values.mul_(2).sub_(low + high).div_(high - low)

    def check_pixels(self) -> None:
        """See that the pixels are those of :attr:`content_hash`. Called before the first read, at disk speed.

        Raises:
            DamagedFile: they are others.
        """
        check_pixels(self._path, self._images, self._header)

    def subset(self, mask: Sequence[bool] | np.ndarray | pd.Series | None = None, **values: Any) -> Self:
        """The images where ``mask`` is true and each named column has a given value.

        Args:
            mask: ``len(self)`` booleans. ``None`` selects all.
            values: column name to a value or a list of values, for example ``split="train"``.

        Returns:
            A view with the interface of a store. It shares the memory map and has its own content hash.

        Raises:
            ValueError: the mask has the wrong length or type, a column is unknown, or no image is selected.
        """
        chosen = np.ones(len(self), dtype=bool) if mask is None else np.asarray(mask)
        if chosen.shape != (len(self),) or chosen.dtype != bool:
            raise ValueError(f"mask must be {len(self)} booleans, got {chosen.dtype} of shape {chosen.shape}")
        for name, value in values.items():
            if name not in self._table:
                raise ValueError(f"{self._path} has no column {name!r}; it has {', '.join(self._table.columns)}")
            accepted = list(value) if isinstance(value, list | tuple | set) else [value]
            chosen = chosen & self._table[name].isin(accepted).to_numpy()
        if not chosen.any():
            found = {name: self._table[name].drop_duplicates().tolist()[:10] for name in values}
            raise ValueError(f"{values or 'the mask'} selects no image of {self._path}; its values are {found}")
        return type(self)(self._path, _rows=self.rows[chosen])

    def add_columns(self, **columns: Any) -> None:
        """Add columns to ``table.csv``, or replace them, in one atomic step.

        Args:
            columns: name to ``len(self)`` values (sequence, array, tensor), or one value for all rows.

        Raises:
            ValueError: values of the wrong length or not one-dimensional, a column that identifies images, or a
                subset instead of a whole store.
        """
        if self._rows is not None:
            raise ValueError("add_columns needs a whole store, got a subset; open the store and give a value per row")
        with exclusive(self._table_path.with_name("store.json")):  # another process may be adding its own
            self._load_table()
            table = self._table.copy()
            for name, values in columns.items():
                if name in (Column.SOURCE, Column.SLICE) and name in table:
                    raise ValueError(f"column {name!r} identifies the images and cannot be replaced")
                array = values.detach().cpu().numpy() if isinstance(values, torch.Tensor) else values
                if not np.isscalar(array):
                    array = array.to_numpy() if isinstance(array, pd.Series) else np.asarray(array)
                    if array.shape != (len(table),):
                        raise ValueError(f"column {name!r} must have shape ({len(table)},), got {array.shape}")
                table[name] = array
            write_csv(table, self._table_path, keep=True)
            self._load_table()

    def __reduce__(self) -> tuple[Any, ...]:
        # A memory map pickles as the whole array; workers open the file again instead.
        return partial(type(self), self._path, _rows=self._rows), ()

    def __repr__(self) -> str:
        return f"ImageStore({str(self._path)!r}: {len(self)} images {list(self.image_shape)} {self.dtype})"

    def _check_file(self, path: Path) -> None:
        if not path.is_file():
            raise FileNotFoundError(
                f"{self._path} is not an image store: {os.path.relpath(path, self._path)} is missing; run the "
                "stage prepare first, or write a store with ImageStore.create"
            )

    def _find_table(self) -> Path:
        """The store's own table, or the table that it shares with another store."""
        shared = self._header.get("table_of")
        if shared is None:
            return self._path / "table.csv"
        _check_place(self._path, shared["path"])
        other = Path(os.path.normpath(self._path / shared["path"]))
        self._check_file(other / "store.json")
        if _read_header(other)["content_hash"] != shared["content_hash"]:
            raise ValueError(
                f"{self._path} shares the table of {other}, whose images have changed since; make {self._path} again"
            )
        return other / "table.csv"

    def _load_table(self) -> None:
        with reading(self._table_path) as path:
            texts = dict.fromkeys(map(str, _TEXT_COLUMNS), str)
            table = read_csv(path, dtype=texts, keep_default_na=False, na_values=[""])
            if len(table) != len(self._images):
                raise ValueError(f"table.csv has {len(table)} rows for {len(self._images)} images")
        self._table = table if self._rows is None else table.iloc[self._rows].reset_index(drop=True)
        # Items have "" for missing text, because a batch that mixes text with NaN cannot be collated.
        self._columns = {
            name: (values if pd.api.types.is_numeric_dtype(values) else values.fillna("")).to_numpy()
            for name, values in self._table.items()
        }


def _read_header(folder: Path) -> dict[str, Any]:
    with reading(folder / "store.json") as path:
        header = json.loads(path.read_text(encoding="utf-8"))
        if "format_version" in header and not {"content_hash", "value_range", "geometry", "meta"} <= header.keys():
            raise ValueError("it lacks entries of a store")
        return header


def _check_place(path: Path, place: str) -> None:
    """A shared table lies in a store beside: what a store says must not lead anywhere else."""
    parts = Path(place).parts
    if len(parts) != 2 or parts[0] != ".." or parts[1].startswith("."):
        raise ValueError(
            f"{path} may share the table of a store in the same folder alone (table_of: ../name), got {place}; make "
            "both stores in one folder"
        )


def evenly(total: int, count: int) -> np.ndarray:
    """Up to ``count`` of the rows ``0 … total - 1``, evenly spaced from the first to the last, int64."""
    return np.unique(np.linspace(0, total - 1, min(count, total)).round().astype(np.int64))


def _plain(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else value
