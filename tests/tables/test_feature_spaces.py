"""Feature spaces of a store with known groups: one that sees the group, one that does not."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from torch import nn

from monai_minority.data import ImageStore
from monai_minority.tables import MeasureSettings, judge_feature_spaces

QUICK = MeasureSettings(resamples=20, progress=False)


class _Moments(nn.Module):
    """Mean and spread of grey levels, or the corner pixels, which are noise."""

    resizing, normalisation = "none", "x"

    def __init__(self, name):
        super().__init__()
        self.name = name

    def forward(self, x):
        return x[:, 0, :1, :3].flatten(1) if self.name == "corner" else x.flatten(1)[:, 20:]


@pytest.fixture
def store(tmp_path):
    """Of 120 images a quarter has a bright middle."""
    rng = np.random.default_rng(0)
    images = rng.integers(0, 100, (120, 1, 8, 8)).astype(np.uint8)
    groups = np.where(np.arange(120) % 4 == 0, "ill", "well")
    images[groups == "ill", :, 3:5] += 100
    table = {
        "subject": [f"s{i}" for i in range(120)],
        "group": groups,
        "split": np.repeat(["train", "reference", "test"], 40),
    }
    return ImageStore.create(tmp_path / "store", images, pd.DataFrame(table), (0, 255))


def test_the_space_that_sees_the_group_wins(store, tmp_path):
    spaces = [_Moments("corner"), _Moments("pixels")]
    settings = {"bank_splits": ["train", "reference"], "query_split": "test", "k": 5}
    table = judge_feature_spaces(
        store, spaces, tmp_path / "out" / "spaces.csv", feature_dir=tmp_path / "features", measures=QUICK, **settings
    )
    value = table.pivot(index="extractor", columns="name", values="value")
    assert value.loc["pixels"].min() > 0.95
    assert value.loc["corner", "k-NN AUC, others against well"] < 0.8
    pd.testing.assert_frame_equal(pd.read_csv(tmp_path / "out" / "spaces.csv"), table, check_dtype=False)
    assert set(table["N bank"]) == {80} and set(table["N"]) == {40} and set(table["bank"]) == {"train+reference"}
    assert {"resizing", "weights_sha256", "seed", "interval", "timm"} <= set(table.columns)
    assert len(list((tmp_path / "features").glob("*.npy"))) == 2


def test_several_groups_are_normal_together(store, tmp_path):
    """The middle of a fifth of the images is a little brighter, which is normal too."""
    groups = np.where(np.arange(120) % 4 == 0, "ill", np.where(np.arange(120) % 5 == 1, "mild", "well"))
    store.add_columns(group=groups)
    settings = {"bank_splits": ["train", "reference"], "query_split": "test", "k": 5}
    table = judge_feature_spaces(
        store,
        [_Moments("pixels")],
        tmp_path / "s.csv",
        measures=replace(QUICK, normal_group=["well", "mild"]),
        **settings,
    )
    area = table.set_index("name").loc["k-NN AUC, others against 2 normal groups"]
    assert area["value"] > 0.95 and area["N positive"] == (groups[80:] == "ill").sum()
    with pytest.raises(ValueError, match="normal_group must be among the groups ill, mild, well, got healthy"):
        absent = replace(QUICK, normal_group="healthy")
        judge_feature_spaces(store, [_Moments("pixels")], tmp_path / "s.csv", measures=absent, **settings)


def test_bad_splits_are_named(store, tmp_path):
    with pytest.raises(ValueError, match="query_split must not be one of the bank's"):
        judge_feature_spaces(store, [], tmp_path / "a.csv", bank_splits=["train"], query_split="train")
    with pytest.raises(ValueError, match="got 40 and 0"):
        judge_feature_spaces(store, [], tmp_path / "a.csv", bank_splits=["train"], query_split="validation")
