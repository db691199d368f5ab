"""A store of its own from another, or from some of its images."""

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
    """Write the images of a store, their pixels unchanged, as a store of its own; of a view, those that it shows.

    Args:
        source: a store or a subset of one.
        path: folder to make; a store that is there is replaced.
        columns: name to values (one an image, or one for all): columns to add or replace.
        meta: added to the provenance.

    Raises:
        FileExistsError: what is at ``path`` is not a store.
        ValueError: a column has another length.
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
    """A whole store with a table of its own and the pixels of another, which are not written again.

    The file of pixels is hard-linked where the file system can, and copied where it cannot.

    Args:
        source: a whole store.
        path: folder to make; a store that is there is replaced.
        columns: name to values: columns to add or replace. A column given as ``None`` is left out.

    Raises:
        ValueError: ``source`` is a subset, or a column has another length.
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
