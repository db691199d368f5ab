"""Class labels from another column: numbered by frequency, spread by share, and refused by name."""

import json

import numpy as np
import pytest

from monai_minority.data import ImageStore
from monai_minority.samples import spread_labels
from monai_minority.stages import Label


def label(store, column, count, run_dir):
    Label(run_dir=run_dir, store=store, label_column=column, num_class_labels=count)()
    return json.loads((run_dir / "labels.json").read_text())


def store_of(path, **columns):
    count = len(next(iter(columns.values())))
    pixels = np.zeros((count, 1, 2, 2), np.uint8)
    table = {"source": [f"i{n}" for n in range(count)], "slice": [0] * count, **columns}
    return ImageStore.create(path / "store", pixels, table, (0, 255))


def test_labels_are_numbered_by_frequency_in_training(tmp_path):
    groups = ["ill"] * 2 + ["well"] * 6 + ["worst"] * 3
    split = ["train"] * 8 + ["test"] * 3
    store = store_of(tmp_path, group=groups, split=split)
    assert label(store, "group", 3, tmp_path) == {"well": 0, "ill": 1, "worst": 2}
    assert store.table["class_label"].tolist() == [1] * 2 + [0] * 6 + [2] * 3
    assert spread_labels(store, 8) == [0] * 6 + [1] * 2
    assert spread_labels(store, 4) == [0, 0, 0, 1]


def test_numbers_can_be_labels_and_own_labels_stay(tmp_path):
    store = store_of(tmp_path / "a", severity=[2.0, 0.0, 0.0], split=["train"] * 3)
    label(store, "severity", 2, tmp_path)
    assert store.table["class_label"].tolist() == [1, 0, 0]
    own = store_of(tmp_path / "b", class_label=[1, 1, 0], split=["train"] * 3)
    label(own, "class_label", 2, tmp_path)
    assert own.table["class_label"].tolist() == [1, 1, 0]


def test_what_does_not_fit_is_named(tmp_path):
    store = store_of(tmp_path, group=["a", "b", ""], split=["train"] * 3, class_label=[0, 2, 2])
    with pytest.raises(ValueError, match="label_column must be a column of .* got 'severity'; it has source, slice"):
        label(store, "severity", 2, tmp_path)
    with pytest.raises(ValueError, match="with a value for every image, got 'group'"):
        label(store, "group", 2, tmp_path)
    with pytest.raises(ValueError, match=r"num_class_labels must be .* column split, 1 \(train\), got 2"):
        label(store, "split", 2, tmp_path)
    with pytest.raises(ValueError, match="must hold integers 0 … 1, got"):
        label(store, "class_label", 2, tmp_path)
    bare = store_of(tmp_path / "bare", split=["train"])
    with pytest.raises(ValueError, match="run the stage label first"):
        spread_labels(bare, 1)
