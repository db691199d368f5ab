"""A copy keeps pixels, table and provenance; a link shares the pixels and no column."""

import numpy as np
import pytest

from monai_minority.data import ImageStore
from monai_minority.data.store.copy import append_store, copy_store, link_store
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


def test_appended_images_are_of_their_split_and_have_the_columns_of_the_store(tmp_path):
    first = make_store(tmp_path / "a", subject=["a", "b"], split=["train", "test"], group=["n", "r"])
    further = make_store(tmp_path / "b", subject=["c", "d"], split=["train", "train"], other=[1, 2], value=9)
    joined = append_store(first, further, "test")
    assert joined.path == first.path
    assert joined.table["subject"].tolist() == ["a", "b", "c", "d"]
    assert joined.table["split"].tolist() == ["train", "test", "test", "test"]
    assert joined.table["group"].isna().tolist() == [False, False, True, True]
    assert "other" not in joined.table
    assert np.load(joined.path / "images.npy")[:, 0, 0, 0].tolist() == [0, 0, 9, 9]
    assert joined.meta["appended"] == {"images": 2, "split": "test", "content_hash": further.content_hash}


def test_images_of_the_same_subjects_or_of_other_settings_are_not_appended(tmp_path):
    first = make_store(tmp_path / "a", subject=["a", "b"])
    with pytest.raises(ValueError, match="must hold other subjects .* 1 of the same, such as b"):
        append_store(first, make_store(tmp_path / "b", subject=["b", "c"]), "test")
    larger = ImageStore.create(tmp_path / "c", np.zeros((1, 1, 4, 4), np.uint8), {"subject": ["c"]}, (0, 255))
    with pytest.raises(ValueError, match=r"must have the image_shape .*\(1, 2, 2\), got \(1, 4, 4\); extract"):
        append_store(first, larger, "test")


def make_store(path, value=0, **columns):
    pixels = np.full((2, 1, 2, 2), value, np.uint8)
    return ImageStore.create(path, pixels, {"source": ["x", "y"], **columns}, (0, 255))
