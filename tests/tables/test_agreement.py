"""Agreement of the score with known groups, where a confounder explains all of it, or nothing."""

import numpy as np
import pandas as pd
import pytest

from monai_minority.data import ImageStore
from monai_minority.evaluation.density import NeighbourIndex
from monai_minority.tables.agreement import AUC, MATCHED_AUC, NOT_TRAINED_ON, agreement_table
from monai_minority.tables.images import GeneratedImages, Pictures, RealImages, real_table
from monai_minority.tables.measures import Bank
from monai_minority.tables.settings import MeasureSettings

NORMALS, RARES = 1200, 300
NONE_GENERATED = GeneratedImages(
    pd.DataFrame({name: pd.Series(dtype=float) for name in ("set", "seed", "target_class")}), np.zeros((0, 2)), 0.0
)


def confounded() -> RealImages:
    """Rare slices lie higher. The score follows height alone, AvgkNN the group alone, and LOF nothing."""
    rng = np.random.default_rng(0)
    rare = np.arange(NORMALS + RARES) >= NORMALS
    z = np.where(rare, rng.uniform(0.4, 1.0, len(rare)), rng.uniform(0.0, 0.7, len(rare)))
    table = pd.DataFrame(
        {
            "split": np.where(np.arange(len(rare)) % 2, "test", "train"),
            "group": np.where(rare, "lesion", "normal"),
            "minority_score": z + rng.normal(0, 0.05, len(rare)),
            "average_knn": rare + rng.uniform(0, 0.5, len(rare)),
            "local_outlier_factor": rng.normal(size=len(rare)),
            "z": z,
        }
    )
    training = np.flatnonzero(table["split"] == "train")
    subjects = np.arange(len(rare)) // 3
    features = rng.normal(size=(len(rare), 2)).astype(np.float32)
    return RealImages(table, features, subjects, training, Bank(NeighbourIndex(features[training]), subjects[training]))


def test_matched_auc_is_chance_where_height_explains_the_score():
    real = confounded()
    table = agreement_table(real, NONE_GENERATED, MeasureSettings(resamples=200, matched_by="z"))
    rows = table.set_index(["images", "figure", "measure"]).loc[NOT_TRAINED_ON]
    matched = rows.loc[f"{MATCHED_AUC}z"]
    assert rows.loc[(AUC, "minority_score"), "value"] > 0.85
    assert matched.loc["minority_score", "value"] == pytest.approx(0.5, abs=0.06)
    assert matched.loc["minority_score", "low"] < 0.5 < matched.loc["minority_score", "high"]
    assert matched.loc["average_knn", "value"] == 1, "a true difference stays"
    held = real.table[real.table["split"] == "test"]
    width = 0.2 * real.table["z"].std(ddof=0)
    both = held[held["z"].between(0.4 - width, 0.7 + width)]
    overlap = held[held["z"].between(0.4 + width, 0.7 - width)]
    assert len(overlap) <= matched.loc["minority_score", "n"] <= len(both), "images with a partner of similar height"
    assert matched.loc["minority_score", "positive"] < rows.loc[(AUC, "minority_score"), "positive"] == RARES // 2


def test_without_the_setting_the_table_has_no_matched_figure():
    plain = agreement_table(confounded(), NONE_GENERATED, MeasureSettings(resamples=0))
    matched = agreement_table(confounded(), NONE_GENERATED, MeasureSettings(resamples=0, matched_by="z"))
    rest = matched[~matched["figure"].str.startswith(MATCHED_AUC)]
    assert len(plain) < len(matched) and plain.equals(rest.reset_index(drop=True))


def test_what_cannot_be_matched_is_said(tmp_path):
    columns = {"split": ["train"] * 4, "minority_score": np.arange(4.0), "side": ["left"] * 4}
    store = ImageStore.create(tmp_path / "store", np.zeros((4, 1, 2, 2), np.uint8), columns, (0, 255))
    for column in ("height", "side"):
        with pytest.raises(ValueError, match=f"matched_by must be a numeric column of the store, got '{column}'"):
            real_table(Pictures(store, np.zeros((len(store), 2))), MeasureSettings(matched_by=column))
