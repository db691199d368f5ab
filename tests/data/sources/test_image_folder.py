"""Folders tell splits and classes; what lies elsewhere is named."""

import pytest
from PIL import Image

from monai_minority.data.sources import image_folder


def _pictures(root, *names):
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (4, 4)).save(root / name)


def _rows(cohort, *columns):
    return list(cohort.table[list(columns)].itertuples(index=False, name=None))


def test_splits_and_classes(tmp_path):
    _pictures(tmp_path, "train/b/1.png", "train/a/1.png", "val/b/1.webp", "Test/c/x.jpg", "stray/1.png", "train/2.png")
    cohort = image_folder(tmp_path)
    assert _rows(cohort, "subject", "split", "group", "class_label") == [
        ("Test/c/x.jpg", "test", "c", 2),
        ("train/a/1.png", "train", "a", 0),
        ("train/b/1.png", "train", "b", 1),
        ("val/b/1.webp", "validation", "b", 1),
    ]
    reasons = {entry.subject: entry.reason for entry in cohort.rejected}
    assert reasons["stray/1.png"].startswith("the picture is outside the folders of the splits (Test, train, val)")
    assert reasons["train/2.png"] == "the picture is outside the folders of the classes"


def test_classes_without_splits_and_neither(tmp_path):
    _pictures(tmp_path / "classes", "cat/1.png", "ape/1.png")
    assert _rows(image_folder(tmp_path / "classes"), "split", "group", "class_label") == [
        (None, "ape", 0),
        (None, "cat", 1),
    ]
    _pictures(tmp_path / "flat", "1.png", "2.png")
    flat = image_folder(tmp_path / "flat").table
    assert flat["group"].isna().all() and "class_label" not in flat


def test_training_images_alone_have_no_split(tmp_path, caplog):
    _pictures(tmp_path, "train/a/1.png", "train/a/2.png")
    assert image_folder(tmp_path).table["split"].isna().all()
    assert "the data set has only train images" in caplog.text


def test_at_most_so_many_of_each_split(tmp_path):
    names = [f"{part}/{name}/{i}.png" for part in ("train", "test") for name in "ab" for i in range(6)]
    _pictures(tmp_path, *names)
    table = image_folder(tmp_path, max_images=5).table
    assert table["split"].value_counts().to_dict() == {"train": 5, "test": 5}
    assert table["subject"].is_monotonic_increasing
    assert image_folder(tmp_path, max_images=5).table.equals(table)
    smaller = image_folder(tmp_path, max_images=3).table
    assert set(smaller["subject"]) < set(table["subject"]), "a smaller part is a part of a larger one"
    with pytest.raises(ValueError, match="max_images must be at least 1, got 0"):
        image_folder(tmp_path, max_images=0)


def test_missing_folder(tmp_path):
    with pytest.raises(FileNotFoundError, match="gone does not exist; a folder of images is expected there: pictures"):
        image_folder(tmp_path / "gone")
