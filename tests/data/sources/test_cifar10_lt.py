"""The long tail is the published one."""

import numpy as np
import pytest

from monai_minority.data.sources import cifar10_lt
from monai_minority.data.sources.cifar10_lt import exponential_numbers
from tests.data.sources.test_cifar10 import NAMES, write_python


def test_published_numbers():
    numbers = exponential_numbers(5000, 10, 0.01)
    assert numbers == [5000, 2997, 1796, 1077, 645, 387, 232, 139, 83, 50]
    assert sum(numbers) == 12406
    assert exponential_numbers(5000, 10, 0.1)[-1] == 500
    assert exponential_numbers(7, 3, 1) == [7, 7, 7]
    for factor in (0, 1.5):
        with pytest.raises(ValueError, match=rf"factor must be in \(0, 1\].*got {factor}"):
            exponential_numbers(5000, 10, factor)
    with pytest.raises(ValueError, match="leaves the last class empty"):
        exponential_numbers(50, 10, 0.01)


def test_images_are_drawn_class_by_class_as_published_and_the_others_kept_apart(tmp_path):
    write_python(tmp_path / "cifar-10-batches-py", NAMES)
    table = cifar10_lt(tmp_path, factor=0.2).table
    assert table["split"].value_counts()[["test", "train"]].tolist() == [20, sum(exponential_numbers(10, 10, 0.2))]
    assert table["split"].isin(["train", "test", "reference"]).all() and len(table) == 120
    # numpy's first generator, seeded once, shuffles the indices of one class after another
    np.random.seed(0)  # noqa: NPY002
    targets = table["class_label"].to_numpy()[:100]
    for label, number in enumerate(exponential_numbers(10, 10, 0.2)):
        indices = np.where(targets == label)[0]
        np.random.shuffle(indices)  # noqa: NPY002
        kept = np.flatnonzero((targets == label) & (table["split"][:100] == "train").to_numpy())
        assert set(kept) == set(indices[:number])
    other = cifar10_lt(tmp_path, factor=0.2, seed=1).table
    assert not other["split"].equals(table["split"])


def test_training_images_alone_leave_the_rest_to_be_split(tmp_path):
    write_python(tmp_path / "cifar-10-batches-py", NAMES[:5])
    splits = cifar10_lt(tmp_path, factor=0.2).table["split"]
    assert splits.isna().sum() == sum(exponential_numbers(10, 10, 0.2))
    assert (splits == "reference").sum() == 100 - splits.isna().sum()
