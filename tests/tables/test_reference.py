"""Choice of the most unique images."""

import numpy as np
import pandas as pd
import pytest
import torch

from monai_minority.tables import MeasureSettings
from monai_minority.tables.reference import choose_reference, most_unique


def test_highest_first_ties_in_order_nan_never():
    measure = np.array([0.5, np.nan, 2.0, 0.5, -1.0, 2.0])
    np.testing.assert_array_equal(most_unique(measure, 4), [2, 5, 0, 3])
    np.testing.assert_array_equal(most_unique(torch.from_numpy(measure), 5), [2, 5, 0, 3, 4])


def test_bad_requests_are_named():
    with pytest.raises(ValueError, match=r"\[1, 2\].*got 3"):
        most_unique(np.array([1.0, np.nan, 2.0]), 3)
    with pytest.raises(ValueError, match=r"\(2, 2\)"):
        most_unique(np.zeros((2, 2)), 1)


def real_table(rare_held_out):
    held_out = ["rare"] * rare_held_out + ["well"] * 40
    groups = ["well"] * 30 + ["rare"] * 6 + held_out + [None]
    splits = ["train"] * 36 + ["test"] * (len(held_out) + 1)
    return pd.DataFrame({"group": groups, "split": splits})


def test_the_rare_group_never_trained_on_is_taken_evenly():
    reference = choose_reference(real_table(80), MeasureSettings(reference_measure="group", reference_size=40))
    assert reference.name == "real, rare group" and reference.never_trained_on
    assert len(reference.rows) == 40 and reference.rows.min() >= 36 and reference.rows.max() < 116
    assert reference.description == "40 of the 80 real images of the rare group, never trained on"


def test_too_few_of_the_group_are_joined_by_those_of_training():
    reference = choose_reference(real_table(10), MeasureSettings(reference_measure="group", reference_size=40))
    assert reference.rows.tolist() == list(range(30, 46)) and not reference.never_trained_on
    assert "training images among them (only 10 of the group were never trained on)" in reference.description
    with pytest.raises(ValueError, match="groups of the real images are not known, got group; label the cohort"):
        choose_reference(pd.DataFrame({"split": ["train"]}), MeasureSettings(reference_measure="group"))
