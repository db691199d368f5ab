"""Real images beside training images of people: who was never seen is not rarer for it."""

import numpy as np
import pytest

from monai_minority.data import ImageStore
from monai_minority.tables.images import Pictures, real_table
from monai_minority.tables.settings import MeasureSettings


@pytest.fixture
def cohort(tmp_path):
    """Six hundred people of three slices that hardly differ, half of them in training."""
    rng = np.random.default_rng(0)
    subjects = np.repeat(np.arange(600), 3)
    features = (rng.standard_normal((600, 4))[subjects] + 0.02 * rng.standard_normal((1800, 4))).astype(np.float32)
    table = {
        "source": [f"i{n}" for n in range(1800)],
        "slice": 0,
        "subject": [f"s{n}" for n in subjects],
        "split": np.where(subjects < 300, "train", "test"),
        "minority_score": 0.0,
    }
    store = ImageStore.create(tmp_path / "store", np.zeros((1800, 1, 2, 2), np.uint8), table, (0, 255))
    return Pictures(store, features)


def test_as_many_people_never_seen_lie_above_the_percentile_as_it_says(cohort):
    real = real_table(cohort, MeasureSettings())
    knn = real.table["average_knn"].to_numpy()
    above = knn > np.percentile(knn[real.training], 90)
    assert above[real.training].mean() == pytest.approx(0.1, abs=0.01)
    assert above[900:].mean() == pytest.approx(0.1, abs=0.05), (
        "all of them, were a training image compared with its own subject"
    )


def test_a_subject_that_leaves_too_few_others_is_named(cohort):
    cohort.store.add_columns(subject=["one"] * 898 + ["two"] * 902)
    with pytest.raises(ValueError, match="training must have 5 images of other subjects for each image, got 2"):
        real_table(cohort, MeasureSettings())
