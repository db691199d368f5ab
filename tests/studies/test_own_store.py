"""A cell's store: the run's pixels, its own table, and no image learned from that should not be."""

import numpy as np
import pandas as pd
import pytest

from monai_minority.data import ImageStore
from monai_minority.studies import own_store
from monai_minority.studies.own_store import UNLABELLED


@pytest.fixture
def run_store(tmp_path):
    subjects = np.repeat(np.arange(25), 2)
    table = {
        "source": [f"i{n}" for n in range(50)],
        "slice": 0,
        "subject": [f"s{n:02d}" for n in subjects],
        "split": np.where(subjects < 20, "train", "test"),
        "group": np.where(subjects % 5 == 0, "ill", "healthy"),
        "minority_score": np.arange(50.0),
        "minority_score_error": 0.1,
        "minority_class": 3,
    }
    return ImageStore.create(tmp_path / "run", np.arange(50, dtype=np.uint8).reshape(50, 1, 1, 1), table, (0, 255))


def test_all_images_keep_their_scores_and_lose_their_classes(run_store, tmp_path):
    store = own_store(run_store, tmp_path / "cell" / "store")
    assert store.content_hash == run_store.content_hash
    assert "minority_class" not in store.table
    assert store.table["minority_score"].tolist() == list(range(50))
    assert store.table["class_label"].tolist() == [int(g == "ill") for g in run_store.table["group"]]
    assert pd.read_csv(tmp_path / "cell" / "scores.csv")["minority_score"].tolist() == list(range(50))
    assert run_store.table["minority_class"].eq(3).all()


@pytest.mark.parametrize("share, subjects", [(0.05, 2), (0.25, 5), (0.5, 10), (1.0, 20)])
def test_a_share_is_of_whole_subjects_and_of_training_alone(run_store, tmp_path, share, subjects):
    table = own_store(run_store, tmp_path / "cell" / "store", share=share).table
    train = table[table["split"] == "train"]
    assert train["subject"].nunique() == subjects
    assert len(train) == 2 * subjects
    assert (table["split"] == "test").sum() == 10
    assert (table["split"] == UNLABELLED).sum() == 40 - 2 * subjects


def test_some_images_know_their_rows_in_the_run(run_store, tmp_path):
    store = own_store(run_store, tmp_path / "cell" / "store", images=8)
    rows = store.table["run_row"].to_numpy()
    assert len(store) == 8
    assert np.array_equal(((store.batch(slice(None)).flatten() + 1) * 127.5).round().int().numpy(), rows)
    assert (rows[0], rows[-1]) == (0, 49)


def test_bad_share(run_store, tmp_path):
    with pytest.raises(ValueError, match="share must be in"):
        own_store(run_store, tmp_path / "x", share=0)
