"""The number of classes that the data allow."""

import numpy as np
import pytest

from monai_minority.data import ImageStore
from monai_minority.stages import count_classes


@pytest.fixture
def store(tmp_path):
    table = {
        "source": [f"s{i}" for i in range(800)],
        "slice": [0] * 800,
        "split": ["train"] * 768 + ["test"] * 32,
        "group": ["a"] * 720 + ["b"] * 80,
    }
    return ImageStore.create(tmp_path / "store", np.zeros((800, 1, 2, 2), np.uint8), table, (0, 255)).path


def test_auto_asks_for_two_dozen_training_images_in_the_rarest_class(store):
    assert count_classes("auto", store) == 32
    assert count_classes("auto", store, spacing="tail") == 6, "384, 192, 96, 48, 24 and 24 images"
    assert count_classes("auto", store, "group") == 2, "48 of the smaller group are trained on"


def test_a_number_stays_and_needs_no_store():
    assert count_classes(7, "/absent") == 7


def test_what_does_not_fit_is_named(store, tmp_path):
    with pytest.raises(ValueError, match="num_classes must be a whole number, or auto, got 'many'"):
        count_classes("many", store)
    few = {"source": ["a"], "slice": [0], "split": ["train"]}
    ImageStore.create(tmp_path / "few", np.zeros((1, 1, 2, 2), np.uint8), few, (0, 255))
    with pytest.raises(ValueError, match="auto needs 48 training images at least, .*few has 1; give a number"):
        count_classes("auto", tmp_path / "few")
