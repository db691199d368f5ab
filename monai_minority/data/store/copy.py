"""New stores made from another store or from some of its images."""

import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from monai_minority.data.store.image_store import ImageStore
from monai_minority.data.store.writer import write_table

_BLOCK = 256


def copy_store(
    source: ImageStore,
    path: str | os.PathLike[str],
    *,
    columns: Mapping[str, Any] | None = None,
    **meta: Any,
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
    pixels = np.load(source.path / "images.npy", mmap_mode="r")
    blocks = np.split(source.rows, range(_BLOCK, len(source), _BLOCK))
    table = source.table.assign(**dict(columns or {}))
    return ImageStore.create(
        path,
        (pixels[block] for block in blocks),
        table,
        source.value_range,
        overwrite=True,
        geometry=source.geometry,
        **(source.meta | meta),
    )


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
    partial = path.with_name(f".{path.name}.linking-{os.getpid()}")
    partial.mkdir(parents=True)
    try:
        try:
            os.link(source.path / "images.npy", partial / "images.npy")
        except OSError:
            shutil.copyfile(source.path / "images.npy", partial / "images.npy")
        shutil.copyfile(source.path / "store.json", partial / "store.json")
        write_table(table, partial / "table.csv")
        if path.exists():
            shutil.rmtree(path)
        partial.rename(path)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return ImageStore.open(path)
