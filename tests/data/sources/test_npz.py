"""Archives are mapped, not loaded, and labels come along."""

import numpy as np
import pytest

from monai_minority.data.sources import npz
from monai_minority.data.sources.npz import map_member


def _images(seed=0, number=6, shape=(4, 4, 3)):
    return np.random.default_rng(seed).integers(0, 256, (number, *shape), dtype=np.uint8)


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
@pytest.mark.parametrize("order", ["C", "F"])
def test_members_are_memory_maps_of_the_saved_values(tmp_path, save, order):
    save(tmp_path / "a.npz", np.arange(5), np.asarray(_images(), order=order))
    found = map_member(tmp_path / "a.npz", "arr_1")
    assert isinstance(found, np.memmap)
    assert np.array_equal(found, _images())
    with pytest.raises(KeyError, match="must hold arr_7, got arr_0.npy, arr_1.npy"):
        map_member(tmp_path / "a.npz", "arr_7")


def test_objects_are_not_read(tmp_path):
    np.savez(tmp_path / "a.npz", np.array([{}], dtype=object))
    with pytest.raises(ValueError, match="got Python objects"):
        map_member(tmp_path / "a.npz", "arr_0")


def test_one_archive_with_labels(tmp_path):
    np.savez(tmp_path / "a.npz", _images(), np.array([3, 1, 3, 0, 2, 999]))
    cohort = npz(tmp_path / "a.npz")
    assert cohort.table["class_label"].tolist() == [3, 1, 3, 0, 2, 999]
    assert cohort.table["group"].tolist() == ["3", "1", "3", "0", "2", "999"]
    assert cohort.table["split"].isna().all()
    assert np.array_equal(list(cohort.images), _images())


def test_a_folder_of_archives_without_labels_and_with_bad_ones(tmp_path):
    np.savez(tmp_path / "a.npz", _images(0))
    np.savez_compressed(tmp_path / "b.npz", _images(1))
    np.savez(tmp_path / "c.npz", _images(2).astype(np.float32))
    np.savez(tmp_path / "d.npz", _images(3), np.arange(5))
    (tmp_path / "e.npz").write_bytes(b"PK")
    np.savez(tmp_path / "f.npz", images=_images(3))
    cohort = npz(tmp_path)
    assert np.array_equal(list(cohort.images), np.concatenate([_images(0), _images(1)]))
    assert "class_label" not in cohort.table
    reasons = [entry.reason for entry in cohort.rejected]
    assert len(reasons) == 4
    assert "arr_0 must be uint8" in reasons[0] and "arr_1 must be 6 whole numbers" in reasons[1]
    assert "must hold arr_0, got images.npy" in reasons[3]


def test_no_archive(tmp_path):
    with pytest.raises(FileNotFoundError, match="holds no archive of images: expected an .npz file.*found nothing"):
        npz(tmp_path)
