"""Images in array files. Each process opens the files itself."""

from collections.abc import Callable, Sequence
from itertools import accumulate

import numpy as np


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
