"""Ratios and differences of shares: closed forms, and a simulation of how often the intervals hold the truth."""

import math

import numpy as np
import pytest
from scipy.stats import norm

from monai_minority.evaluation.mover import (
    Estimate,
    cluster_correlation,
    difference_of,
    estimated_share,
    ratio_of,
)


def drawn(rng, share, noise, weight):
    """Hits of the given share that lean on a common cause with ``weight``."""
    return weight * noise + math.sqrt(1 - weight**2) * rng.standard_normal(len(noise)) < norm.ppf(share)


@pytest.mark.parametrize(
    ("first", "second", "count", "weight"),
    [(0.6, 0.012, 128, 0.0), (0.6, 0.012, 128, 0.8), (0.3, 0.3, 64, 0.95), (0.5, 0.2, 128, 0.9)],
)
def test_the_interval_of_a_ratio_holds_it_as_often_as_it_says(first, second, count, weight):
    rng, seeds, held, width, singly = np.random.default_rng(0), np.arange(count), 0, 0.0, 0.0
    trials = 1000
    for _ in range(trials):
        noise = rng.standard_normal(count)
        ours, theirs = drawn(rng, first, noise, weight), drawn(rng, second, noise, weight)
        together = cluster_correlation(ours, seeds, theirs, seeds)
        found = ratio_of(estimated_share(ours), estimated_share(theirs), together)
        apart = ratio_of(estimated_share(ours), estimated_share(theirs))
        held += found.low <= first / second and not found.high < first / second
        width += math.log(found.high / found.low) if found.high > 0 < found.low else 0.0
        singly += math.log(apart.high / apart.low) if apart.high > 0 < apart.low else 0.0
    assert 0.925 <= held / trials <= 0.99
    if weight > 0.85:
        assert width < 0.85 * singly, "seeds in common make it narrower"


def test_what_is_not_there_is_no_infinity():
    some, none = estimated_share(np.arange(128) < 78), estimated_share(np.zeros(128, bool))
    found = ratio_of(some, none)
    assert math.isnan(found.value) and math.isnan(found.high) and found.low > 10
    assert ratio_of(none, some).value == ratio_of(none, some).low == 0 < ratio_of(none, some).high < 0.1
    assert ratio_of(none, none).low == 0 and math.isnan(ratio_of(none, none).high)
    assert all(math.isnan(end) for end in ratio_of(some, Estimate(0.1, math.nan, math.nan)))


def test_turned_round_it_is_the_reciprocal():
    ours, theirs = estimated_share(np.arange(90) < 60), estimated_share(np.arange(70) < 20)
    there, back = ratio_of(ours, theirs, 0.3), ratio_of(theirs, ours, 0.3)
    assert (there.value, there.low, there.high) == pytest.approx((1 / back.value, 1 / back.high, 1 / back.low))
    there, back = difference_of(ours, theirs), difference_of(theirs, ours)
    assert (there.low, there.high) == pytest.approx((-back.high, -back.low))


def test_the_difference_is_newcombes():
    # Newcombe (1998), table II, method 10: 56/70 - 48/80
    found = difference_of(estimated_share(np.arange(70) < 56), estimated_share(np.arange(80) < 48))
    assert found == pytest.approx((0.2, 0.0524, 0.3339), abs=1e-4)


def test_what_has_no_ratio_is_refused():
    with pytest.raises(ValueError, match="at least 0 and correlation in"):
        ratio_of(Estimate(-1.0, -2.0, 0.0), Estimate(1.0, 0.5, 2.0))
