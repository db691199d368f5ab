"""A temporary file of slices, used until all volumes have been read."""

import os
import tempfile
from collections.abc import Iterator
from typing import Any, Self

import numpy as np


class SliceSpool:
    """Keep float32 slices in an unnamed file, and the measure of each volume in memory, in order of arrival.

    Args:
        folder: folder of the file. The file disappears when the spool is closed or the process ends.
    """

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        self._folder = folder
        self._shapes: list[tuple[int, ...]] = []
        self._measures: list[np.ndarray] = []
        self.files: list[int] = []

    def __enter__(self) -> Self:
        self._file: Any = tempfile.TemporaryFile(dir=self._folder)
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def append(self, file: int, slices: np.ndarray, measure: np.ndarray) -> None:
        """Add the slices ``[S, C, H, W]`` of a file and the measure of its volume."""
        self._file.write(np.ascontiguousarray(slices, dtype=np.float32).data)
        self._shapes.append(slices.shape)
        self._measures.append(measure)
        self.files.append(file)

    @property
    def measures(self) -> np.ndarray:
        """All measures ``[N, 13]``."""
        return np.stack(self._measures) if self._measures else np.empty((0, 13))

    def __iter__(self) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        self._file.seek(0)
        for shape, measure in zip(self._shapes, self._measures, strict=True):
            content = self._file.read(4 * int(np.prod(shape)))
            yield np.frombuffer(content, dtype=np.float32).reshape(shape), measure
