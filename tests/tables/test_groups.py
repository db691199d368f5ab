"""The votes of the groups of nearest real images, where the answer is known by construction."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from monai_minority.evaluation.density import NeighbourIndex
from monai_minority.tables.groups import NORMAL, RARE, group_table
from monai_minority.tables.images import GeneratedImages, RealImages
from monai_minority.tables.measures import Bank
from monai_minority.tables.settings import MeasureSettings

HEALTHY, ILL = np.array([1.0, 0.0]), np.array([0.0, 1.0])


def around(centre, count, seed):
    return (centre + 0.05 * np.random.default_rng(seed).standard_normal((count, 2))).astype(np.float32)


def real(groups=("healthy", "ill")):
    """80 healthy and 20 ill training images, and 10 of each not trained on, one of the ill like the healthy."""
    features = np.concatenate(
        [around(HEALTHY, 80, 0), around(ILL, 20, 1), around(HEALTHY, 10, 2), around(ILL, 9, 3), around(HEALTHY, 1, 4)]
    )
    names = np.array([groups[0]] * 80 + [groups[1]] * 20 + [groups[0]] * 10 + [groups[1]] * 10, dtype=object)
    table = pd.DataFrame({"split": ["train"] * 100 + ["test"] * 20, "group": names})
    training = np.arange(100)
    return RealImages(table, features, np.arange(120), training, Bank(NeighbourIndex(features[training]), training))


def generated():
    """Unguided images, all healthy, and guided ones: of class 0 all healthy, of class 1 three of four ill."""
    features = np.concatenate([around(HEALTHY, 8, 5), around(HEALTHY, 4, 6), around(ILL, 3, 7), around(HEALTHY, 1, 8)])
    table = pd.DataFrame(
        {
            "set": ["plain"] * 8 + ["guided"] * 8,
            "target_class": [-1] * 8 + [0] * 4 + [1] * 4,
            "guidance_scale": [0.0] * 8 + [2.0] * 8,
            "seed": range(16),
        }
    )
    return GeneratedImages(table, features, 0.0)


def test_votes_say_what_was_made():
    table = group_table(real(), generated(), MeasureSettings())
    share = table.set_index(["set", "target_class"])["taken_for_rare"]
    assert share["plain", "all"] == 0 and share["guided", "all"] == 3 / 8
    assert share["guided", "0"] == 0 and share["guided", "1"] == 3 / 4
    row = table[(table["set"] == "guided") & (table["target_class"] == "1")].iloc[0]
    # Wilson's interval of 3 in 4 at 95 %.
    assert (row["taken_for_rare_low"], row["taken_for_rare_high"]) == pytest.approx((0.3006, 0.9544), abs=1e-4)


def test_real_images_say_how_far_votes_can_be_trusted():
    table = group_table(real(), generated(), MeasureSettings()).set_index("known")
    assert table.loc[RARE, "taken_for_rare"] == 0.9 and table.loc[RARE, "n"] == 10
    assert table.loc[NORMAL, "taken_for_rare"] == 0 and table.loc[NORMAL, "n"] == 10


def test_the_slices_of_few_subjects_say_less():
    """Ten images of each kind that were never trained on, of two subjects each."""
    images = real()
    grouped = replace(images, subjects=np.r_[np.arange(100), 100 + np.arange(20) // 5])
    singly, together = (
        group_table(one, generated(), MeasureSettings()).set_index("known").loc[[RARE, NORMAL]]
        for one in (images, grouped)
    )
    assert (together["taken_for_rare"] == singly["taken_for_rare"]).all()
    widths = [table["taken_for_rare_high"] - table["taken_for_rare_low"] for table in (singly, together)]
    assert (widths[1] > 1.5 * widths[0]).all()


def test_which_groups_are_normal_can_be_said():
    plain, turned = (group_table(real(), generated(), MeasureSettings(normal_group=name)) for name in (None, "ill"))
    np.testing.assert_allclose(plain["rare_votes"].iloc[2:], 1 - turned["rare_votes"].iloc[2:])
    with pytest.raises(ValueError, match="normal_group must be among the groups healthy, ill, got well"):
        group_table(real(), generated(), MeasureSettings(normal_group="well"))


def test_without_groups_there_is_nothing_to_say():
    nameless = real((None, None))
    assert len(group_table(nameless, generated(), MeasureSettings())) == 0
    del nameless.table["group"]
    assert len(group_table(nameless, generated(), MeasureSettings())) == 0
