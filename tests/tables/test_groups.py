"""The votes of the groups of nearest real images, where the answer is known by construction."""

import numpy as np
import pandas as pd
import pytest

from monai_minority.evaluation.density import NeighbourIndex
from monai_minority.tables.groups import NORMAL, RARE, group_table
from monai_minority.tables.images import GeneratedImages, RealImages

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
    return RealImages(table, features, np.arange(120), training, NeighbourIndex(features[training]), 5, 20)


def generated():
    """Unguided images, all healthy, and guided ones: of class 0 all healthy, of class 1 three of four ill."""
    features = np.concatenate([around(HEALTHY, 8, 5), around(HEALTHY, 4, 6), around(ILL, 3, 7), around(HEALTHY, 1, 8)])
    table = pd.DataFrame(
        {
            "set": ["plain"] * 8 + ["guided"] * 8,
            "target_class": [-1] * 8 + [0] * 4 + [1] * 4,
            "guidance_scale": [0.0] * 8 + [2.0] * 8,
        }
    )
    return GeneratedImages(table, features, 0.0)


def test_votes_say_what_was_made():
    table = group_table(real(), generated(), held_out=["test"])
    share = table.set_index(["set", "target_class"])["taken_for_rare"]
    assert share["plain", "all"] == 0 and share["guided", "all"] == 3 / 8
    assert share["guided", "0"] == 0 and share["guided", "1"] == 3 / 4
    row = table[(table["set"] == "guided") & (table["target_class"] == "1")].iloc[0]
    # Wilson's interval of 3 in 4 at 95 %.
    assert (row["taken_for_rare_low"], row["taken_for_rare_high"]) == pytest.approx((0.3006, 0.9544), abs=1e-4)


def test_real_images_say_how_far_votes_can_be_trusted():
    table = group_table(real(), generated(), held_out=["test"]).set_index("known")
    assert table.loc[RARE, "taken_for_rare"] == 0.9 and table.loc[RARE, "n"] == 10
    assert table.loc[NORMAL, "taken_for_rare"] == 0 and table.loc[NORMAL, "n"] == 10


def test_which_groups_are_normal_can_be_said():
    plain, turned = (group_table(real(), generated(), held_out=["test"], normal_group=name) for name in (None, "ill"))
    np.testing.assert_allclose(plain["rare_votes"].iloc[2:], 1 - turned["rare_votes"].iloc[2:])
    with pytest.raises(ValueError, match="normal_group must be among the groups healthy, ill, got well"):
        group_table(real(), generated(), held_out=["test"], normal_group="well")


def test_without_groups_there_is_nothing_to_say():
    nameless = real((None, None))
    assert len(group_table(nameless, generated(), held_out=["test"])) == 0
    del nameless.table["group"]
    assert len(group_table(nameless, generated(), held_out=["test"])) == 0
