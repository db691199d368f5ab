"""Seeds and targets of a sample set."""

import numpy as np
import pytest
import torch

from monai_minority.data import BatchPlan, OrderedBatches
from monai_minority.samples import SamplePlan


def test_every_class_has_the_same_seeds():
    plan = SamplePlan(3, [2, 0], first_seed=10)
    assert plan.targets.tolist() == [2, 2, 2, 0, 0, 0]
    assert plan.seeds.tolist() == [10, 11, 12, 10, 11, 12]
    assert len(plan) == 6


def test_batches_are_rows_of_the_table():
    plan = SamplePlan(4, [1, 5], first_seed=3, class_labels=[7, 8])
    table = plan.table(scale=1.5)
    batches = [plan[batch] for batch in OrderedBatches(len(plan), 3)]
    assert torch.cat([b["image"] for b in batches]).tolist() == list(table["seed"])
    assert torch.cat([b["target_class"] for b in batches]).tolist() == list(table["target_class"])
    assert torch.cat([b["class_label"] for b in batches]).tolist() == list(table["class_label"]) == [7, 8] * 4
    assert [b["step"] for b in batches] == [0, 1, 2]
    assert table["guidance_scale"] == [1.5] * 8
    assert table["synthetic"] == [1] * 8
    assert len(set(table["source"])) == 8
    assert all(name.startswith("synthetic") for name in table["source"])


def test_every_class_takes_the_labels_in_turn():
    plan = SamplePlan(3, [2, 0], class_labels=[5, 9])
    assert plan.class_labels.tolist() == [5, 9, 5] * 2


def test_no_class_means_unguided():
    plan = SamplePlan(2)
    assert plan.targets.tolist() == [-1, -1]
    assert "class_label" not in plan[BatchPlan(0, np.array([0]), 0, 1)]


@pytest.mark.parametrize(
    "arguments, message",
    [
        ((0,), "images_per_class must be positive, got 0"),
        ((2, [0, -1]), r"classes must be minority classes 0 … L-1, got \[0, -1\]"),
        ((2, [0], 0, []), "class_labels must name at least one label"),
    ],
)
def test_bad_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        SamplePlan(*arguments)
