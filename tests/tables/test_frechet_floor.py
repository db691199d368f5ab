"""Fréchet distances above their floor, of samples that are real, near to real and far."""

import numpy as np
import pytest

from monai_minority.tables.frechet_floor import LEAST, frechet_floor, relative_distances
from monai_minority.tables.rows import Row
from monai_minority.tables.settings import MeasureSettings

SETTINGS = MeasureSettings(distance_resamples=20)


def drawn(count: int, shift: float, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(shift, 1, (count, 4)).astype(np.float32)


def row(name: str, features: np.ndarray, target: str = "all") -> Row:
    count = len(features)
    index, classes = np.arange(count), np.zeros(count, int)
    return Row({"set": name, "target_class": target}, index, None, features, index, classes)


@pytest.fixture(scope="module")
def floor():
    return frechet_floor(drawn(500, 0, 0), np.arange(500) // 2, SETTINGS)


def test_halves_share_no_subject_and_have_a_distance(floor):
    assert len(floor.features) == 250
    assert 0 < floor.distance < 0.2
    assert np.bincount(floor.subjects).max() == 2 and len(np.unique(floor.subjects)) == 125


def test_real_images_have_nothing_above_the_floor_and_half_the_way_a_quarter(floor):
    rows = [
        row("plain", drawn(300, 1, 1)),
        row("guided", drawn(300, 0, 2), "3"),
        row("guided", drawn(300, 0.5, 3), "2"),
    ]
    found = relative_distances(floor, rows, ("plain", np.arange(300)), SETTINGS)
    assert sorted(found) == [1, 2], "unguided images are not compared with themselves"
    assert found[1]["frechet_above_floor"] < 0.02
    assert found[2]["frechet_above_floor"] == pytest.approx(0.25, abs=0.08)
    assert found[2]["frechet_above_floor_low"] < 0.25 < found[2]["frechet_above_floor_high"]


def test_few_images_give_no_figure(floor):
    assert frechet_floor(drawn(2 * LEAST - 1, 0, 0), np.arange(2 * LEAST - 1), SETTINGS) is None
    rows = [row("plain", drawn(300, 1, 1)), row("guided", drawn(LEAST - 1, 0, 2), "3")]
    assert relative_distances(floor, rows, ("plain", np.arange(300)), SETTINGS) == {}
    assert relative_distances(None, rows, ("plain", np.arange(300)), SETTINGS) == {}


def test_unguided_images_at_the_floor_give_no_figure(floor):
    rows = [row("plain", drawn(300, 0, 1)), row("guided", drawn(300, 1, 2), "3")]
    assert relative_distances(floor, rows, ("plain", np.arange(300)), SETTINGS) == {}
