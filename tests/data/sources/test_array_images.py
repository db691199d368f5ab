"""Images of several arrays are one sequence, in whatever process."""

import pickle
from functools import partial

import numpy as np
import pytest

from monai_minority.data.sources.layout import ArrayImages


def test_indices_run_through_all_parts(tmp_path):
    arrays = [np.arange(n * 4, dtype=np.uint8).reshape(n, 2, 2) + 100 * i for i, n in enumerate((3, 0, 2))]
    for i, array in enumerate(arrays):
        np.save(tmp_path / f"{i}.npy", array)
    images = ArrayImages([partial(np.load, tmp_path / f"{i}.npy", mmap_mode="r") for i in range(3)])
    expected = np.concatenate(arrays)
    assert len(images) == 5
    assert all(np.array_equal(images[i], expected[i]) for i in range(5))
    for outside in (-1, 5):
        with pytest.raises(IndexError, match=r"must be in \[0, 5\)"):
            images[outside]


def test_a_pickled_copy_opens_the_files_again(tmp_path):
    np.save(tmp_path / "a.npy", np.full((1000, 32, 32), 7, np.uint8))
    images = ArrayImages([partial(np.load, tmp_path / "a.npy", mmap_mode="r")])
    pickled = pickle.dumps(images)
    assert len(pickled) < 1000
    assert (pickle.loads(pickled)[999] == 7).all()
