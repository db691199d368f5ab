"""Scores and classes in the store's table and the run folder."""

import numpy as np
import pandas as pd
import pytest

from monai_minority.data import ImageStore
from monai_minority.scoring import QuantileClasses
from monai_minority.stages import Cut, class_ranks
from monai_minority.stages.score import record_scores


def cut(store, run_dir, group_column=None):
    (run_dir / "scores.csv").touch()
    Cut(run_dir=run_dir, store=store, num_classes=2, group_column=group_column)()


@pytest.fixture
def store(tmp_path):
    table = {
        "source": [f"s{i}" for i in range(8)],
        "slice": range(8),
        "split": ["train"] * 4 + ["test"] * 4,
        "group": list("aabbaabb"),
    }
    return ImageStore.create(tmp_path / "store", np.zeros((8, 1, 2, 2), np.uint8), table, (0, 255))


def test_scores_go_to_the_table_and_the_file(store, tmp_path):
    results = np.stack([np.arange(8) / 8, np.full(8, np.nan)], axis=1).astype(np.float32)
    record_scores(results, store, tmp_path / "scores.csv")
    table = ImageStore.open(store.path).table
    assert table["minority_score"].tolist() == (np.arange(8) / 8).tolist()
    assert table["minority_score_error"].isna().all(), "one draw has no error, which is no reason to refuse it"
    written = pd.read_csv(tmp_path / "scores.csv")
    assert written.columns.tolist() == ["source", "slice", "minority_score", "minority_score_error"]
    assert written["source"].tolist() == table["source"].tolist()
    assert written["minority_score"].tolist() == (np.arange(8) / 8).tolist()


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_images_without_a_finite_score_are_named(store, tmp_path, value):
    results = np.zeros((8, 2))
    results[[2, 5], 0] = value
    with pytest.raises(
        ValueError, match=r"2 image\(s\) have no finite minority score, for instance s2, s5; the network"
    ):
        record_scores(results, store, tmp_path / "scores.csv")
    assert "minority_score" not in ImageStore.open(store.path).table
    assert not (tmp_path / "scores.csv").exists()


def test_thresholds_come_from_the_training_images_alone(store, tmp_path):
    """Train scores 0 … 3 cut in the middle; the others are far beyond and must not move the cut."""
    store.add_columns(minority_score=[0.0, 1.0, 2.0, 3.0, 100.0, 200.0, -50.0, 1.6])
    cut(store, tmp_path)
    assert ImageStore.open(store.path).table["minority_class"].tolist() == [0, 0, 1, 1, 1, 1, 0, 1]
    ranks = ImageStore.open(store.path).table["score_rank"].tolist()
    assert ranks == [0.125, 0.375, 0.625, 0.875, 1.0, 1.0, 0.0, 0.5]
    assert class_ranks(ImageStore.open(store.path)) == [0.25, 0.75]
    loaded = QuantileClasses.load(tmp_path / "classes.json")
    assert loaded.transform(np.array([1.5, 1.6])).tolist() == [0, 1], "the median of 0 … 3, itself in the lower class"


def test_thresholds_within_groups(store, tmp_path):
    store.add_columns(minority_score=[0.0, 1.0, 10.0, 11.0, 0.4, 0.6, 10.4, 10.6])
    cut(store, tmp_path, "group")
    table = ImageStore.open(store.path).table
    assert table["minority_class"].tolist() == [0, 1] * 4
    assert table["score_rank"].tolist() == [0.25, 0.75, 0.25, 0.75, 0.5, 0.5, 0.5, 0.5]


def test_what_is_missing_is_named(store, tmp_path):
    with pytest.raises(ValueError, match="has no column minority_score; run the score stage first"):
        cut(store, tmp_path)
    store.add_columns(minority_score=np.arange(8.0))
    with pytest.raises(ValueError, match="group_column must be a column of .*, got 'diagnosis'; carry it over"):
        cut(store, tmp_path, "diagnosis")
