"""Helpers that write an image store, and that check what was written."""

import hashlib
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO, Self

import numpy as np
import torch
from numpy.lib import format as npy

from monai_minority.files import DamagedFile
from monai_minority.files.seals import as_written, remedy, state_of

DTYPES = ("uint8", "float16", "float32")
_BLOCK_BYTES = 32 << 20


class PixelWriter:
    """Append blocks to an ``.npy`` file of unknown final length; check and hash each block."""

    def __init__(
        self, path: Path, value_range: tuple[float, float], geometry: dict[str, Any], bounded: bool = True
    ) -> None:
        self._path = path
        self._bounded = bounded
        self._range = value_range
        self._geometry = geometry
        self._hash = hashlib.sha256()
        self._shape: tuple[int, ...] = ()
        self._dtype = np.dtype(np.uint8)
        self.count = 0

    def __enter__(self) -> Self:
        self._file: BinaryIO = self._path.open("wb")
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        try:
            if kind is None:
                if not self.count:
                    raise ValueError("images must hold at least one image, got none")
                self._write_header()
                self._file.flush()
                os.fsync(self._file.fileno())
        finally:
            self._file.close()

    def append(self, block: np.ndarray) -> None:
        """Check, hash and write ``[n, C, H, W]``."""
        if not self.count:
            if block.ndim != 4 or str(block.dtype) not in DTYPES:
                raise ValueError(f"images must be [N, C, H, W] of {', '.join(DTYPES)}, got {block.dtype} {block.shape}")
            self._shape, self._dtype = block.shape[1:], block.dtype
            self._write_header()
            self._hash.update(_described(self._shape, self._dtype, self._range, self._geometry))
        elif block.shape[1:] != self._shape or block.dtype != self._dtype:
            raise ValueError(
                f"all images must have the same dtype and shape: row {self.count} is {block.dtype} "
                f"{block.shape[1:]}, the first is {self._dtype} {self._shape}"
            )
        self._check_values(block)
        data = np.ascontiguousarray(block).data
        self._hash.update(data)
        self._file.write(data)
        self.count += len(block)

    def digest(self) -> str:
        """SHA-256 of all blocks so far, in hexadecimal."""
        return self._hash.hexdigest()

    def _check_values(self, block: np.ndarray) -> None:
        flat = block.reshape(len(block), -1)
        lowest, highest = flat.min(axis=1).astype(np.float64), flat.max(axis=1).astype(np.float64)
        broken = ~(np.isfinite(lowest) & np.isfinite(highest))  # min and max propagate NaN
        if broken.any():
            raise ValueError(f"pixels must be finite, but row(s) {self._named(broken)} have NaN or infinite pixels")
        low, high = self._range
        outside = self._bounded & ((lowest < low) | (highest > high))
        if outside.any():
            raise ValueError(
                f"pixels must lie in value_range ({low:g}, {high:g}), but the pixels of row(s) {self._named(outside)} "
                f"range from {lowest.min():g} to {highest.max():g}; clamp them or widen value_range"
            )

    def _named(self, chosen: np.ndarray) -> str:
        rows = self.count + np.flatnonzero(chosen)
        return ", ".join(map(str, rows[:10])) + (f", … ({len(rows)} in this block)" if len(rows) > 10 else "")

    def _write_header(self) -> None:
        # NumPy pads its header so that the first axis can grow: the final header fits exactly over the first one.
        self._file.seek(0)
        described = {"descr": npy.dtype_to_descr(self._dtype), "fortran_order": False}
        npy.write_array_header_1_0(self._file, described | {"shape": (self.count, *self._shape)})


def blocks(images: Any) -> Iterator[np.ndarray]:
    """Yield an array, or an iterable of arrays, as NumPy blocks of at most a few megabytes."""
    batches = [images] if isinstance(images, np.ndarray | torch.Tensor) else images
    for batch in batches:
        array = batch.detach().cpu().numpy() if isinstance(batch, torch.Tensor) else np.asarray(batch)
        step = max(1, _BLOCK_BYTES * len(array) // max(1, array.nbytes)) if array.ndim else 1
        if array.ndim != 4:
            yield array
            continue
        for start in range(0, len(array), step):
            yield array[start : start + step]


def check_pixels(folder: Path, images: np.ndarray, header: Mapping[str, Any]) -> None:
    """See that pixels are those of a store's content hash, once for each state of the file."""
    path = folder / "images.npy"
    state = state_of(path)
    if _known.get(path.absolute()) == state:
        return
    digest = hashlib.sha256(_described(images.shape[1:], images.dtype, header["value_range"], header["geometry"]))
    step = max(1, _BLOCK_BYTES // max(1, images[:1].nbytes))
    for start in range(0, len(images), step):
        digest.update(np.ascontiguousarray(images[start : start + step]).data)
    if digest.hexdigest() != header["content_hash"]:
        raise DamagedFile(
            f"{path} does not hold the pixels of {folder / 'store.json'}, {as_written(path)}; {remedy(path)}"
        )
    _known[path.absolute()] = state


def pixels_are_known(folder: Path) -> None:
    """Note that the pixels of a store were hashed when they were written."""
    path = folder / "images.npy"
    _known[path.absolute()] = state_of(path)


_known: dict[Path, tuple[int, ...]] = {}


def _described(shape: Sequence[int], dtype: Any, value_range: Sequence[float], geometry: Mapping[str, Any]) -> bytes:
    """What the content hash of a store covers besides its pixels."""
    described = {"shape": tuple(shape), "dtype": str(dtype), "value_range": tuple(value_range), "geometry": geometry}
    return json.dumps(described, sort_keys=True).encode()
