"""CIFAR-10 in each layout gives the same images; what is missing or dangerous is named and not read."""

import os
import pickle
import tarfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from monai_minority.data.sources import cifar10
from monai_minority.data.sources.cifar10 import CLASSES


def batch(seed: int, number: int = 20) -> tuple[np.ndarray, np.ndarray]:
    """Pixels ``[N, 32, 32, 3]`` and labels."""
    rng = np.random.default_rng(seed)
    return rng.integers(0, 256, (number, 32, 32, 3), dtype=np.uint8), rng.permutation(np.arange(number) % 10)


def write_python(folder, names, key=lambda name: name) -> None:
    folder.mkdir()
    for seed, name in enumerate(names):
        pixels, labels = batch(seed)
        flat = pixels.transpose(0, 3, 1, 2).reshape(len(pixels), -1)
        content = {key("data"): flat, key("labels"): labels.tolist(), key("batch_label"): key(name)}
        (folder / name).write_bytes(pickle.dumps(content, protocol=2))


NAMES = [f"data_batch_{i}" for i in range(1, 6)] + ["test_batch"]


def _check(cohort, names):
    expected = np.concatenate([batch(NAMES.index(name))[0] for name in names])
    labels = np.concatenate([batch(NAMES.index(name))[1] for name in names])
    assert len(cohort) == len(expected)
    assert np.array_equal([cohort.images[i] for i in cohort.table["image"]], expected)
    assert cohort.table["class_label"].tolist() == labels.tolist()
    assert cohort.table["group"].tolist() == [CLASSES[label] for label in labels]


@pytest.mark.parametrize("key", [str, str.encode], ids=["text keys", "byte keys"])
def test_python_batches(tmp_path, key):
    write_python(tmp_path / "cifar-10-batches-py", NAMES, key)
    for path in (tmp_path, tmp_path / "cifar-10-batches-py"):
        cohort = cifar10(path)
        _check(cohort, NAMES)
        assert cohort.table["split"].tolist() == ["train"] * 100 + ["test"] * 20
        assert cohort.rejected == []


def test_binary_batches(tmp_path):
    folder = tmp_path / "cifar-10-batches-bin"
    folder.mkdir()
    for seed, name in enumerate(NAMES):
        pixels, labels = batch(seed)
        flat = pixels.transpose(0, 3, 1, 2).reshape(len(pixels), -1)
        np.column_stack([labels, flat]).astype(np.uint8).tofile(folder / f"{name}.bin")
    for path in (tmp_path, folder):
        _check(cifar10(path), NAMES)


def test_a_part_of_the_batches_is_read_and_the_rest_named(tmp_path):
    folder = tmp_path / "cifar-10-batches-py"
    write_python(folder, NAMES)
    (folder / "data_batch_2").unlink()
    (folder / "data_batch_3").write_bytes((folder / "data_batch_3").read_bytes()[:500])
    (folder / "data_batch_5").write_bytes(b"")
    cohort = cifar10(tmp_path)
    _check(cohort, ["data_batch_1", "data_batch_4", "test_batch"])
    reasons = {Path(entry.file).name: entry.reason for entry in cohort.rejected}
    assert set(reasons) == {"data_batch_2", "data_batch_3", "data_batch_5"}
    assert reasons["data_batch_2"] == "the file is missing from CIFAR-10"
    assert all(reasons.values())


class Attack:
    def __reduce__(self):
        return os.mkdir, ("attacked",)


def test_a_batch_is_not_executed(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "cifar-10-batches-py"
    write_python(folder, NAMES[:1])
    (folder / "test_batch").write_bytes(pickle.dumps({"data": Attack(), "labels": []}, protocol=2))
    rejected = {Path(entry.file).name: entry.reason for entry in cifar10(tmp_path).rejected}
    assert "posix.mkdir, which no batch of CIFAR-10 needs; it is not read" in rejected["test_batch"]
    assert not (tmp_path / "attacked").exists()


def test_pictures_have_the_labels_of_the_names_also_where_classes_are_missing(tmp_path):
    for name in ("train/cat/1.png", "train/truck/1.png", "test/cat/2.png", "test/zebra/1.png"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (32, 32)).save(tmp_path / name)
    cohort = cifar10(tmp_path)
    assert cohort.table[["split", "class_label"]].to_numpy().tolist() == [["test", 3], ["train", 3], ["train", 9]]
    assert [entry.reason for entry in cohort.rejected] == ["its folder zebra is not a class of CIFAR-10"]


def test_nothing_there_says_what_was_expected(tmp_path):
    with pytest.raises(FileNotFoundError, match="does not exist; CIFAR-10 is expected there: cifar-10-batches-py"):
        cifar10(tmp_path / "gone")
    (tmp_path / "cifar-10-python.tar.gz").write_bytes(b"x")
    with pytest.raises(FileNotFoundError, match="holds no CIFAR-10: expected .*; found cifar-10-python.tar.gz"):
        cifar10(tmp_path)


@pytest.mark.data
def test_the_real_pictures(data_dir, tmp_path):
    with tarfile.open(data_dir / "cifar10_subset.tar") as archive:
        members = [m for m in archive.getmembers() if m.name.split("/")[-1] < "0003.jpg"]
        archive.extractall(tmp_path, members, filter="data")
    cohort = cifar10(tmp_path)
    assert cohort.table["class_label"].value_counts().to_dict() == dict.fromkeys(range(10), 3)
    assert cohort.table["split"].isna().all(), "training images alone"
