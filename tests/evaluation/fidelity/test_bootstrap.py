"""Bootstrap intervals against the normal theory of a mean."""

import numpy as np
import pytest

from monai_minority.evaluation.fidelity import bootstrap


def test_interval_of_a_mean_has_the_normal_width():
    x = np.random.default_rng(0).standard_normal(400)
    low, high = bootstrap(np.mean, x, resamples=4000)
    half = 1.96 * x.std() / 20
    assert low == pytest.approx(x.mean() - half, abs=0.1 * half)
    assert high == pytest.approx(x.mean() + half, abs=0.1 * half)


def test_interval_covers_the_truth_as_often_as_it_says():
    rng = np.random.default_rng(1)
    hits = 0
    for _ in range(100):
        a, b = rng.standard_normal(60), rng.standard_normal(60) + 1
        low, high = bootstrap(lambda a, b: b.mean() - a.mean(), a, b, resamples=100, level=0.9)
        hits += low <= 1 <= high
    assert 0.8 <= hits / 100 <= 0.97


def test_whole_subjects_widen_the_interval():
    rng = np.random.default_rng(2)
    subject = np.repeat(np.arange(40), 10)
    x = rng.standard_normal(40)[subject]  # ten equal slices a subject: 40 facts, not 400
    single = np.subtract(*bootstrap(np.mean, x)[::-1])
    grouped = np.subtract(*bootstrap(np.mean, x, groups=[subject])[::-1])
    assert grouped / single == pytest.approx(10**0.5, rel=0.2)


def test_seeded_and_checked():
    x = np.arange(20.0)
    assert bootstrap(np.mean, x, seed=3) == bootstrap(np.mean, x, seed=3)
    assert bootstrap(np.mean, x, seed=3) != bootstrap(np.mean, x, seed=4)
    assert np.isnan(bootstrap(lambda x: np.nan, x)).all()
    with pytest.raises(ValueError, match="level"):
        bootstrap(np.mean, x, level=95)
    with pytest.raises(ValueError, match=r"lengths \[0\]"):
        bootstrap(np.mean, x[:0])
    with pytest.raises(ValueError, match="each of 20 rows, got 3"):
        bootstrap(np.mean, x, groups=[np.arange(3)])
