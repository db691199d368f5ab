"""Which images of a sample store belong together."""

import numpy as np
import pytest

from monai_minority.data import ImageStore
from monai_minority.samples import sample_groups
from tests.sample_sets import make_samples


@pytest.mark.parametrize(
    "columns, expected",
    [
        ({}, {"unguided": [0, 1, 2, 3]}),
        ({"target_class": -1, "guidance_scale": 0.0}, {"unguided": [0, 1, 2, 3]}),
        ({"target_class": [9, 0, 9, 0]}, {"class_0": [1, 3], "class_9": [0, 2]}),
        (
            {"target_class": [9, -1, 9, 0], "guidance_scale": [2, 0, 2, 2]},
            {"unguided": [1], "class_0": [3], "class_9": [0, 2]},
        ),
        (
            {"target_class": [2, 2, 10, 2], "guidance_scale": [2.5, 1, 1, 2.5]},
            {"class_2_scale_1": [1], "class_2_scale_2.5": [0, 3], "class_10_scale_1": [2]},
        ),
    ],
)
def test_groups_are_named_and_ordered(tmp_path, columns, expected):
    table = {"source": list("abcd"), "slice": [0] * 4, **{k: np.broadcast_to(v, 4) for k, v in columns.items()}}
    store = ImageStore.create(tmp_path / "s", np.zeros((4, 1, 2, 2), np.uint8), table, (0, 255))
    groups = sample_groups(store)
    assert list(groups) == list(expected)
    assert {name: group.rows.tolist() for name, group in groups.items()} == expected


def test_groups_of_a_subset_are_of_its_rows(tmp_path):
    store = make_samples(tmp_path / "s").subset(seed=[10, 12])
    assert {name: group.rows.tolist() for name, group in sample_groups(store).items()} == {
        "class_0": [1, 5],
        "class_4": [0, 4],
    }
