"""The most unusual images and subjects: their order, their neighbours of other subjects, and no names."""

import numpy as np
import pandas as pd
import pytest

from monai_minority.data import ImageStore
from monai_minority.evaluation.density import NeighbourIndex
from monai_minority.tables.images import RealImages
from monai_minority.tables.measures import Bank
from monai_minority.tables.unusual import unusual_images, unusual_subjects

NAMES = ["sub-00000000aa", "sub-00000000bb", "anna meyer", "sub-00000000dd"]
OWNERS = [0, 0, 0, 1, 1, 2, 2, 2, 3, 3]
PLACES = np.array([0.0, 0.1, 0.2, 1.0, 1.3, 3.0, 3.1, 9.0, 2.0, 0.05])
SCORES = [1.0, 2.0, np.nan, 5.0, 4.0, 3.0, 0.5, 9.0, 8.0, 6.0]
TRAINING = np.arange(8)  # the last subject is not


@pytest.fixture
def cohort(tmp_path):
    """Ten images on a line, two or three of a subject, with scores of their own."""
    subjects = np.array(NAMES, dtype=object)[OWNERS]
    table = {
        "source": [f"s{i}" for i in range(10)],
        "subject": subjects,
        "slice": np.arange(10) + 100,
        "split": ["train"] * 8 + ["test"] * 2,
        "minority_score_error": np.arange(10) / 100,
    }
    store = ImageStore.create(tmp_path / "store", np.zeros((10, 1, 2, 2), np.uint8), table, (0, 255))
    features = PLACES[:, None].astype(np.float32)
    measured = pd.DataFrame({"minority_score": SCORES, "average_knn": PLACES, "local_outlier_factor": -PLACES})
    index = NeighbourIndex(features[TRAINING], k=2, ball=1)
    bank = Bank(index, subjects[TRAINING], 1, 2)
    return RealImages(measured, features, subjects, TRAINING, bank), store


def test_images_come_by_their_score_with_all_that_is_known(cohort):
    table = unusual_images(*cohort, count=4)
    assert table["rank"].tolist() == [1, 2, 3, 4]
    assert table["row"].tolist() == [7, 8, 9, 3]
    assert table["slice"].tolist() == [107, 108, 109, 103]
    assert table["split"].tolist() == ["train", "test", "test", "train"]
    assert table["minority_score"].tolist() == [9, 8, 6, 5]
    assert table["minority_score_error"].tolist() == [0.07, 0.08, 0.09, 0.03]
    # Seven of the eight training images have a score, and one of them is the highest.
    assert table["minority_score_percentile"].tolist() == pytest.approx([600 / 7, 600 / 7, 600 / 7, 500 / 7])
    assert table["average_knn_percentile"].tolist() == [87.5, 62.5, 12.5, 37.5]


def test_neighbours_are_of_other_subjects(cohort):
    table = unusual_images(*cohort, count=4).set_index("row")
    columns = [f"neighbour_{k}_row" for k in (1, 2, 3)]
    assert table.loc[7, columns].tolist() == [4, 3, 2], "rows 5 and 6 are nearer, but the subject's own"
    assert table.loc[9, columns].tolist() == [0, 1, 2], "of an image not trained on"
    assert table.loc[3, columns].tolist() == [2, 1, 0]
    assert table.loc[7, [f"neighbour_{k}_distance" for k in (1, 2, 3)]].tolist() == pytest.approx([7.7, 8, 8.8], 1e-6)


def test_names_that_are_no_pseudonyms_stay_behind(cohort, tmp_path):
    images, subjects = unusual_images(*cohort), unusual_subjects(*cohort)
    assert images.set_index("row")["subject"].to_dict()[7] == ""
    assert images.set_index("row")["subject"].to_dict()[8] == "sub-00000000dd"
    for table in (images, subjects):
        table.to_csv(tmp_path / "table.csv")
        assert "anna" not in (tmp_path / "table.csv").read_text()


def test_all_images_with_a_score_where_more_are_asked_for(cohort):
    assert unusual_images(*cohort, count=100)["row"].tolist() == [7, 8, 9, 3, 4, 5, 1, 0, 6]


def test_a_missing_neighbour_is_missing(cohort):
    real, store = cohort
    few = np.array([0, 1, 2, 3])
    measured = RealImages(real.table, real.features, real.subjects, few, real.bank)
    first = unusual_images(measured, store).set_index("row").loc[1]
    assert first["neighbour_1_row"] == 3 and first["neighbour_1_subject"] == "sub-00000000bb"
    assert pd.isna(first["neighbour_2_row"]) and pd.isna(first["neighbour_2_distance"])
    assert first["neighbour_2_subject"] == ""


def test_subjects_come_by_their_mean_score(cohort):
    table = unusual_subjects(*cohort)
    assert table["subject"].tolist() == ["sub-00000000dd", "sub-00000000bb", "", "sub-00000000aa"]
    assert table["mean_score"].tolist() == pytest.approx([7, 4.5, 12.5 / 3, 1.5]), "without the missing one"
    assert table["images"].tolist() == [2, 2, 3, 3]
    assert table["highest_score"].tolist() == [8, 5, 9, 2]
    assert table["highest_row"].tolist() == [8, 3, 7, 1]
    assert table["mean_score_percentile"].tolist() == [75, 50, 25, 0]
    assert table["split"].tolist() == ["test", "train", "train", "train"]
