"""Values at the points where a cosine is known."""

import pytest

from monai_minority.training import CosineSchedule


def test_known_points():
    schedule = CosineSchedule(1.0, 0.2, total_steps=110, warmup_steps=10, warmup_start=0.5)
    assert [schedule(step) for step in (0, 5, 10)] == pytest.approx([0.5, 0.75, 1.0])
    assert schedule(60) == pytest.approx(0.6), "half way"
    assert schedule(10 + 100 // 4) == pytest.approx(0.6 + 0.4 * 2**-0.5)
    assert schedule(110) == pytest.approx(0.2) and schedule(10**6) == pytest.approx(0.2)


def test_rises_as_well_and_can_stay():
    assert CosineSchedule(0.996, 1.0, 10)(5) == pytest.approx(0.998)
    constant = CosineSchedule(0.07, 0.07, 10, warmup_steps=4, warmup_start=0.04)
    assert [constant(step) for step in (0, 2, 4, 9)] == pytest.approx([0.04, 0.055, 0.07, 0.07])


def test_a_warm_up_longer_than_the_training_is_refused():
    with pytest.raises(ValueError, match="got 11 of 10"):
        CosineSchedule(1, 0, 10, warmup_steps=11)
