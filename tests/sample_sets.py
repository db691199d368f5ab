"""A small sample store, guided to two classes."""

from pathlib import Path
from typing import Any

import numpy as np

from monai_minority.data import ImageStore

PER_CLASS = 3


def make_samples(path: Path, shape=(1, 6, 8), dtype="uint8", value_range=(0, 255), **options: Any) -> ImageStore:
    """Random pictures of the classes 0 and 4 at scale 2, seeds 10, 11 and 12 of each."""
    count = 2 * PER_CLASS
    low, high = value_range
    values = np.random.default_rng(0).integers(low, high + 1, (count, *shape)).astype(dtype)
    values[0] = low
    values[1] = high
    columns = {"target_class": [4, 0] * PER_CLASS, "guidance_scale": 2.0, "seed": [10, 10, 11, 11, 12, 12]}
    table = {"source": [f"synthetic_{i:06d}" for i in range(count)], "slice": [0] * count, **columns, "synthetic": 1}
    return ImageStore.create(path, values, table, value_range, **{"synthetic": True, **options})
