"""Intervals from products are those of the distances computed anew."""

import sys

import numpy as np
import pytest

from monai_minority.evaluation.fidelity import distance_figures, frechet_distance, kernel_distance
from monai_minority.evaluation.intervals import percentile_interval, resample_counts


def anew(measure, a, b, clusters=None, level=0.95, resamples=100, seed=0):
    """The interval of a distance that is computed anew for each resample."""
    clusters = [np.arange(len(a)), np.arange(len(b))] if clusters is None else clusters
    counts = resample_counts(clusters, resamples, seed)
    left, right = ([x.repeat(row.astype(int), axis=0) for row in rows] for x, rows in zip((a, b), counts, strict=True))
    values = [measure(x, y) for x, y in zip(left, right, strict=True)]
    return percentile_interval(np.array(values), level, measure(a, b), clusters)


@pytest.mark.filterwarnings("ignore:Fréchet distance from")
@pytest.mark.parametrize("dimension", [3, 60], ids=["more images than dimensions", "fewer"])
def test_intervals_equal_those_of_distances_computed_anew(dimension):
    rng = np.random.default_rng(0)
    a = 5 + rng.standard_normal((40, dimension)) * rng.gamma(2, size=dimension)
    b = 5.3 + rng.standard_normal((30, dimension))
    found = distance_figures(a, b, resamples=20, level=0.9, seed=3)
    assert found.frechet == frechet_distance(a, b) and found.kernel == kernel_distance(a, b)
    for measure, value, interval in (
        (frechet_distance, found.frechet, found.frechet_interval),
        (kernel_distance, found.kernel, found.kernel_interval),
    ):
        direct = anew(measure, a, b, resamples=20, level=0.9, seed=3)
        np.testing.assert_allclose(interval, direct, rtol=1e-9)
        assert interval.low < value < interval.high


@pytest.mark.filterwarnings("ignore:Fréchet distance from")
def test_large_sets_give_the_same(monkeypatch):
    rng = np.random.default_rng(1)
    a, b = rng.standard_normal((50, 4)), rng.standard_normal((40, 4))
    small = distance_figures(a, b, resamples=5)
    monkeypatch.setattr(sys.modules[distance_figures.__module__], "SMALL", 10)
    for few, tolerance in ((1, 1e-9), (45, 1e-6)):  # neither set is small, the second is
        monkeypatch.setattr(sys.modules[distance_figures.__module__], "FEW", few)
        np.testing.assert_allclose(np.hstack(distance_figures(a, b, resamples=5)), np.hstack(small), rtol=tolerance)
    turned = distance_figures(b, a, resamples=5)
    np.testing.assert_allclose(turned.frechet, small.frechet, rtol=1e-9)
    few, many = rng.standard_normal((12, 20)), rng.standard_normal((60, 20))  # fewer images than dimensions
    settings = {"resamples": 5, "seed": 3}
    direct = anew(frechet_distance, few, many, **settings)
    np.testing.assert_allclose(distance_figures(few, many, **settings).frechet_interval, direct, rtol=1e-6)


@pytest.mark.filterwarnings("ignore:Fréchet distance from")
def test_whole_subjects_are_drawn(monkeypatch):
    """Of subjects of unequal size, so that resamples are; by products and anew; and wider than of single images."""
    rng = np.random.default_rng(4)
    who = np.repeat(np.arange(12), [1, 2, 3, 4, 5, 6, 7, 8, 2, 2, 3, 7])
    a, b = rng.standard_normal((12, 5))[who] + 0.1 * rng.standard_normal((50, 5)), 2 + rng.standard_normal((40, 5))
    settings = {"resamples": 60, "seed": 3}
    singly = distance_figures(a, b, **settings)
    for few in (1024, 1):
        monkeypatch.setattr(sys.modules[distance_figures.__module__], "FEW", few)
        found = distance_figures(a, b, a_clusters=who, **settings)
        for measure, interval in ((frechet_distance, found.frechet_interval), (kernel_distance, found.kernel_interval)):
            direct = anew(measure, a, b, [who, np.arange(40)], **settings)
            np.testing.assert_allclose(interval, direct, rtol=1e-9)
        assert np.ptp(found.frechet_interval) > 1.5 * np.ptp(singly.frechet_interval)


def test_the_interval_covers_what_a_known_spread_says():
    """Shifted unit Gaussians of one dimension: the mean term alone varies, with sd 2 d sqrt(1/n + 1/m)."""
    rng = np.random.default_rng(2)
    a, b = rng.standard_normal((400, 1)), 5 + rng.standard_normal((300, 1))
    interval = distance_figures(a, b, resamples=400).frechet_interval
    expected = 2 * 1.96 * 2 * 5 * np.sqrt(1 / 400 + 1 / 300)
    assert interval.high - interval.low == pytest.approx(expected, rel=0.2)


def test_zero_resamples_leave_the_intervals_out():
    found = distance_figures(np.eye(3), np.eye(3) + 1, resamples=0)
    assert np.isnan([*found.frechet_interval, *found.kernel_interval]).all()
