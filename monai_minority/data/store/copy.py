"""New stores made from another store or from some of its images."""

import os
import shutil
from collections.abc import Iterator, Mapping
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from monai_minority.data.store.image_store import ImageStore
from monai_minority.files import whole_folder, write_csv
from monai_minority.keys import Column

_BLOCK = 256


def copy_store(
    source: ImageStore, path: str | os.PathLike[str], *, columns: Mapping[str, Any] | None = None, **meta: Any
) -> ImageStore:
    """Copy the images of a store, or of a subset, to a new store. The pixels are unchanged.

    Args:
        source: a store or a subset of one.
        path: folder to create. An existing store is replaced.
        columns: columns to add or replace, as name to values (one per image, or one for all).
        meta: entries to add to the provenance.

    Raises:
        FileExistsError: ``path`` exists and is not a store.
        ValueError: a column has the wrong length.
    """
    return _made_like(source, path, _pixels(source), source.table.assign(**dict(columns or {})), meta)


def append_store(store: ImageStore, further: ImageStore, split: str) -> ImageStore:
    """Append the images of another store, as images of one split.

    Args:
        store: a whole store. It is replaced, and keeps its columns; a column that ``further`` lacks is empty there.
        further: images of other subjects, extracted in the same way.
        split: their split.

    Returns:
        The new store at the same path.

    Raises:
        ValueError: the images differ in shape, type, value range or geometry, or a subject is in both stores.
    """
    for name in ("image_shape", "dtype", "value_range", "geometry"):
        ours, theirs = getattr(store, name), getattr(further, name)
        if ours != theirs:
            raise ValueError(
                f"{further.path} must have the {name} of {store.path}, {ours}, got {theirs}; extract its images with "
                "the same settings, or set held_out_store=null"
            )
    both = set(store.table[Column.SUBJECT]) & set(further.table[Column.SUBJECT])
    if both:
        raise ValueError(
            f"{further.path} must hold other subjects than {store.path}, got {len(both)} of the same, such as "
            f"{min(both)}; leave them out of one of the two"
        )
    added = further.table.reindex(columns=store.table.columns).assign(**{Column.SPLIT: split})
    table = pd.concat([store.table, added], ignore_index=True)
    appended = {"images": len(further), "split": split, "content_hash": further.content_hash}
    return _made_like(store, store.path, chain(_pixels(store), _pixels(further)), table, {"appended": appended})


def _made_like(
    source: ImageStore, path: str | os.PathLike[str], pixels: Iterator[np.ndarray], table: Any, meta: dict[str, Any]
) -> ImageStore:
    settings: dict[str, Any] = {"overwrite": True, "geometry": source.geometry}
    return ImageStore.create(path, pixels, table, source.value_range, **settings, **(source.meta | meta))


def _pixels(store: ImageStore) -> Iterator[np.ndarray]:
    store.check_pixels()
    pixels = np.load(store.path / "images.npy", mmap_mode="r")
    for block in np.split(store.rows, range(_BLOCK, len(store), _BLOCK)):
        yield pixels[block]


def link_store(
    source: ImageStore, path: str | os.PathLike[str], *, columns: Mapping[str, Any] | None = None
) -> ImageStore:
    """Make a store that shares the pixels of another store and has its own table.

    The pixel file is hard-linked, or copied if the file system has no hard links.

    Args:
        source: a whole store.
        path: folder to create. An existing store is replaced.
        columns: columns to add or replace, as name to values. ``None`` as the values drops the column.

    Raises:
        ValueError: ``source`` is a subset, or a column has the wrong length.
    """
    path = Path(path)
    if len(source) != len(ImageStore.open(source.path)):
        raise ValueError(f"link_store takes a whole store, got a subset of {source.path}; use copy_store")
    table = source.table
    for name, values in (columns or {}).items():
        table = table.drop(columns=name, errors="ignore") if values is None else table.assign(**{name: values})
    with whole_folder(path, sealed=("store.json", "table.csv")) as partial:
        try:
            os.link(source.path / "images.npy", partial / "images.npy")
        except OSError:
            shutil.copyfile(source.path / "images.npy", partial / "images.npy")
        shutil.copyfile(source.path / "store.json", partial / "store.json")
        write_csv(table, partial / "table.csv")
    return ImageStore.open(path)
