"""Helpers that write an image store: streams of pixels, tables, and the removal of abandoned folders."""

import hashlib
import json
import os
import shutil
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO, Self

import numpy as np
import pandas as pd
import torch
from numpy.lib import format as npy

from monai_minority.files import whole_file

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
            described = {"shape": self._shape, "dtype": str(self._dtype), "value_range": self._range}
            self._hash.update(json.dumps(described | {"geometry": self._geometry}, sort_keys=True).encode())
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


def write_table(table: pd.DataFrame, path: Path) -> None:
    """Write a CSV file. A reader finds the old file or the new one, never half of one."""
    with whole_file(path) as partial, partial.open("w", encoding="utf-8", newline="") as file:
        table.to_csv(file, index=False)
        file.flush()
        os.fsync(file.fileno())


def write_synced(path: Path, text: str) -> None:
    """Write a text and wait until it is on the disk."""
    with path.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())


def partial_prefix(path: Path) -> str:
    """Prefix of the temporary folder of a store; the process number follows it."""
    return f".{path.name}.partial-{socket.gethostname()}-"


def remove_abandoned(path: Path) -> None:
    """Delete temporary folders that killed writers left on this machine."""
    prefix = partial_prefix(path)
    for folder in path.parent.iterdir():
        pid = folder.name.removeprefix(prefix)
        if folder.name.startswith(prefix) and pid.isdigit() and not _is_running(int(pid)):
            shutil.rmtree(folder, ignore_errors=True)


def _is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
