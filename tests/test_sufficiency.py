"""What later stages lack is told after prepare, and before it by --check, without pixels."""

import numpy as np
import pandas as pd
import pytest

from monai_minority.sufficiency import lacking
from tests.small_cohort import BUNDLE, invoke, volume, write_volume

STAGES = ["prepare", "train", "score", "cut", "train_classifier", "inference", "memorization", "evaluate"]
SETTINGS = {"validation_split": "validation", "num_classes": "auto", "neighbours": 5, "lof_neighbours": 20}


def _table(train, validation=1, images=5):
    rows = [("train", f"t{n}") for n in range(train)] + [("validation", f"v{n}") for n in range(validation)]
    return pd.DataFrame([row for row in rows for _ in range(images)], columns=["split", "subject"])


def test_a_sound_cohort_lacks_nothing():
    assert lacking(_table(10), SETTINGS, STAGES) == []


@pytest.mark.parametrize(
    ("table", "settings", "message"),
    [
        (_table(0), {}, "every stage needs images of the split train"),
        (_table(10, 0), {}, "train monitors the split validation, which has no image; give split_fractions="),
        (_table(9), {}, "cut makes at least 2 classes of 24 training images, and there are 45; give more images"),
        (_table(4), {"num_classes": 30}, "cut makes 30 classes of 20 training images; give num_classes=10"),
        (_table(2, images=30), {}, "memorization needs 3 training subjects to tell copies, and there are 2"),
        (_table(4), {"num_classes": 2}, "evaluate measures LOF with k = 20, which needs 21 training images, and"),
        (
            _table(1, images=60),
            {},
            "evaluate needs 5 training images of other subjects than the largest, and there are 0",
        ),
    ],
)
def test_each_want_is_told_with_what_would_fit(table, settings, message):
    found = lacking(table, SETTINGS | settings, STAGES)
    assert any(line.startswith(message) for line in found), found
    assert lacking(table, SETTINGS | settings, ["score"]) == ([] if len(table[table["split"] == "train"]) else found)


@pytest.fixture
def three(tmp_path):
    folder = tmp_path / "data"
    folder.mkdir()
    for number in range(3):
        write_volume(folder / f"P{number}.nii.gz", volume(np.random.default_rng(number)))
    return folder


def test_check_reads_no_pixels_and_writes_nothing(tmp_path, three):
    for file in three.iterdir():
        file.write_bytes(b"no volume")
    command = ["run", "--bundle", BUNDLE, "--overlay", "smoke", "--dataset-dir", three, "--run-dir", tmp_path / "run"]
    result = invoke(*command, "--check")
    assert result.exit_code == 1, result.output
    assert "it holds 3 volumes (.nii.gz)" in result.output and "train: about" in result.output
    assert "Lacking: evaluate measures LOF with k = 20, which needs 21 training images" in result.output
    assert not (tmp_path / "run").exists()


def test_a_cohort_of_three_stops_after_prepare_with_the_reason(tmp_path, three):
    command = ["run", "--bundle", BUNDLE, "--overlay", "smoke", "--dataset-dir", three, "--run-dir", tmp_path / "run"]
    result = invoke(*command)
    assert result.exit_code == 1 and "the cohort is too small for these settings: " in result.output
    assert "needs 21 training images, and there are 10; give more images" in result.output
    assert (tmp_path / "run/cohort.csv").is_file() and not (tmp_path / "run/backbone").exists()
    alone = invoke(*command, "--stage", "prepare")
    assert alone.exit_code == 0 and "a later stage would stop: evaluate measures LOF" in alone.output
