"""A copy keeps pixels, table and provenance; a link shares the pixels and no column."""

import numpy as np
import pytest

from monai_minority.data import ImageStore
from monai_minority.data.store.copy import copy_store, link_store
from tests.sample_sets import make_samples


@pytest.mark.parametrize("dtype, value_range", [("uint8", (0, 255)), ("float32", (0, 4))])
def test_a_subset_becomes_a_store_of_its_own(tmp_path, dtype, value_range):
    source = make_samples(tmp_path / "a", dtype=dtype, value_range=value_range, geometry={"axis": "axial"})
    copied = copy_store(source.subset(target_class=4), tmp_path / "b", columns={"kept": [1, 2, 3]}, why="class")
    assert np.array_equal(np.load(copied.path / "images.npy"), np.load(source.path / "images.npy")[::2])
    assert copied.table["kept"].tolist() == [1, 2, 3]
    assert copied.table["source"].tolist() == source.table["source"].tolist()[::2]
    assert copied.meta == source.meta | {"why": "class"}
    assert (copied.dtype, copied.value_range, copied.geometry) == (source.dtype, source.value_range, source.geometry)


def test_a_link_has_the_same_pixels_and_hash_and_columns_of_its_own(tmp_path):
    source = make_samples(tmp_path / "a")
    linked = link_store(source, tmp_path / "b", columns={"seed": None, "score": range(6)})
    assert linked.content_hash == source.content_hash
    assert (linked.path / "images.npy").stat().st_ino == (source.path / "images.npy").stat().st_ino
    linked.add_columns(score=5)
    assert "score" not in ImageStore.open(source.path).table
    assert "seed" in source.table
    assert "seed" not in linked.table
    link_store(source, tmp_path / "b")
    assert "score" not in ImageStore.open(tmp_path / "b").table
    with pytest.raises(ValueError, match="whole store"):
        link_store(source.subset(target_class=4), tmp_path / "c")
