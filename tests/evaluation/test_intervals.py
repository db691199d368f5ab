"""Intervals against normal theory and scipy, and a simulation of how often they hold the truth."""

import numpy as np
import pytest
from scipy.stats import binomtest, norm

from monai_minority.evaluation.intervals import FEWEST, bootstrap, fewest_clusters, resample_counts, wilson
from monai_minority.evaluation.weighted_statistics import weighted_auc, weighted_mean

NAN = float("nan")


def subjects_of(rng, repetitions, count, slices, correlation):
    """Standard normal values ``[repetitions, count * slices]`` of subjects whose slices correlate."""
    shared = rng.standard_normal((repetitions, count)).repeat(slices, axis=1)
    own = rng.standard_normal((repetitions, count * slices))
    return np.sqrt(correlation) * shared + np.sqrt(1 - correlation) * own


def holds(truth, intervals):
    low, high = np.array(intervals).T
    return np.mean((low <= truth) & (truth <= high))


@pytest.mark.parametrize("share", [0.1, 0.3])
@pytest.mark.parametrize("count, slices", [(12, 5), (40, 10)])
def test_95_percent_of_the_intervals_of_a_share_hold_it(count, slices, share):
    """Slices of a subject correlate by 0.8; 1000 repetitions, whose own error is 0.7 %. Rare hits make it wider."""
    values = subjects_of(np.random.default_rng(0), 1000, count, slices, 0.8)
    hits, clusters = values > norm.ppf(1 - share), np.repeat(np.arange(count), slices)
    assert 0.92 <= holds(share, [wilson(one, clusters) for one in hits]) <= 0.985
    assert holds(share, [wilson(one) for one in hits]) < 0.8, "as if slices were independent"


@pytest.mark.parametrize("count, slices", [(12, 5), (40, 10)])
def test_95_percent_of_the_intervals_of_a_mean_hold_it(count, slices):
    values = subjects_of(np.random.default_rng(1), 300, count, slices, 0.8)
    clusters, images = np.repeat(np.arange(count), slices), np.arange(count * slices)
    assert 0.92 <= holds(0, [bootstrap(weighted_mean(one), clusters, 300) for one in values]) <= 0.985
    assert holds(0, [bootstrap(weighted_mean(one), images, 100) for one in values[:100]]) < 0.8


def test_95_percent_hold_the_mean_of_classes_that_share_their_seeds():
    """Five classes of the same 30 seeds, as a guided set is written: the row of all classes has 30 facts, not 150."""
    values = (
        subjects_of(np.random.default_rng(2), 300, 30, 5, 0.7).reshape(300, 30, 5).transpose(0, 2, 1).reshape(300, -1)
    )
    seeds = np.tile(np.arange(30), 5)
    hits = values > 0
    assert 0.92 <= holds(0, [bootstrap(weighted_mean(one), seeds, 300) for one in values]) <= 0.985
    assert 0.92 <= holds(0.5, [wilson(one, seeds) for one in hits]) <= 0.985
    assert holds(0.5, [wilson(one) for one in hits]) < 0.8


@pytest.mark.parametrize("rare, others", [(FEWEST, FEWEST), (FEWEST, 20)])
def test_as_few_subjects_as_are_accepted_hold_the_auc_nearly_as_often_as_said(rare, others):
    """0.76 for means one standard deviation apart; two subjects of each would hold it in 62 % of cases."""
    subject = np.arange(rare + others).repeat(4)
    values = subjects_of(np.random.default_rng(3), 200, rare + others, 4, 0.8) + (subject < rare)
    found = [bootstrap(weighted_auc(one, subject < rare), subject, 200, groups=subject < rare) for one in values]
    assert 0.87 <= holds(norm.cdf(2**-0.5), found) <= 0.985


def test_too_few_subjects_of_a_group_have_no_interval():
    """Two held-out subjects, one of each group, gave 0.48 [0.48, 0.48]: every resample that has both is the same."""
    values, subject = np.random.default_rng(0).standard_normal(100), np.arange(10).repeat(10)
    few, enough = subject < FEWEST - 1, subject < FEWEST
    assert np.isnan(bootstrap(weighted_auc(values, few), subject, groups=few)).all()
    assert np.isfinite(bootstrap(weighted_auc(values, enough), subject, groups=enough)).all()
    assert fewest_clusters(subject, few) == FEWEST - 1 and fewest_clusters(subject, values > 0) == 10
    assert fewest_clusters(subject, np.zeros(100, bool)) == 10, "one group has all"


@pytest.mark.parametrize("values", [np.full(20, 0.1), np.zeros(20)])
def test_resamples_that_all_agree_are_no_certainty(values):
    assert np.isnan(bootstrap(weighted_mean(values), np.arange(20))).all()
    assert np.isnan(bootstrap(weighted_mean(values), np.arange(20) // 2)).all()


def test_independent_images_have_scipys_interval():
    rng = np.random.default_rng(3)
    for n in (1, 7, 200):
        for hits in (rng.random(n) < 0.3, np.zeros(n, bool), np.ones(n, bool)):
            expected = tuple(binomtest(int(hits.sum()), n).proportion_ci(method="wilson"))
            assert wilson(hits) == pytest.approx(expected, abs=1e-12)
            assert wilson(hits, rng.permutation(n)) == wilson(hits)


def test_a_share_of_none_or_all_is_as_unsure_as_so_many_subjects():
    """Sixty slices of twelve subjects without a hit say what twelve images without one say."""
    clusters = np.repeat(np.arange(12), 5)
    none, every = wilson(np.zeros(60, bool), clusters), wilson(np.ones(60, bool), clusters)
    assert none == pytest.approx(wilson(np.zeros(12, bool))) and none.high > 2 * wilson(np.zeros(60, bool)).high
    assert every == pytest.approx((1 - none.high, 1))


def test_one_subject_is_one_fact():
    assert wilson(np.ones(3, bool), np.zeros(3)) == wilson(np.ones(1, bool))
    assert np.ptp(wilson(np.array([True, False, True]), np.zeros(3))) > 0.7
    assert np.isnan(bootstrap(weighted_mean(np.arange(3.0)), np.zeros(3))).all()
    assert np.isnan(wilson(np.zeros(0, bool))).all()


def test_alike_slices_count_once():
    hits = np.random.default_rng(4).random(50) < 0.4
    alike, once = wilson(hits.repeat(6), np.arange(50).repeat(6)), wilson(hits)
    assert alike == pytest.approx(once)


def test_interval_of_a_mean_has_the_normal_width():
    x = np.random.default_rng(0).standard_normal(400)
    low, high = bootstrap(weighted_mean(x), np.arange(400), resamples=4000)
    half = 1.96 * x.std() / 20
    assert low == pytest.approx(x.mean() - half, abs=0.1 * half)
    assert high == pytest.approx(x.mean() + half, abs=0.1 * half)


def test_whole_subjects_widen_the_interval():
    rng = np.random.default_rng(2)
    subject = np.repeat(np.arange(40), 10)
    x = rng.standard_normal(40)[subject]  # ten equal slices a subject: 40 facts, not 400
    single = np.subtract(*bootstrap(weighted_mean(x), np.arange(400))[::-1])
    grouped = np.subtract(*bootstrap(weighted_mean(x), subject)[::-1])
    assert grouped / single == pytest.approx(10**0.5, rel=0.2)


def test_counts_are_of_whole_clusters():
    left, right = resample_counts([np.array([0, 0, 1, 2, 2, 2]), np.arange(4)], 50)
    assert left.shape == (50, 6) and right.shape == (50, 4)
    assert (left[:, 0] == left[:, 1]).all() and (left[:, 3:] == left[:, 3:4]).all()
    assert (left[:, [0, 2, 3]].sum(axis=1) == 3).all() and (right.sum(axis=1) == 4).all()


def test_seeded_and_checked():
    mean, rows = weighted_mean(np.arange(20.0)), np.arange(20)
    assert bootstrap(mean, rows, seed=3) == bootstrap(mean, rows, seed=3) != bootstrap(mean, rows, seed=4)
    assert np.isnan(bootstrap(lambda weights: np.full(len(weights), NAN), rows)).all()
    assert np.isnan(bootstrap(mean, rows, resamples=0)).all()
    with pytest.raises(ValueError, match="level"):
        bootstrap(mean, rows, level=95)
    with pytest.raises(ValueError, match=r"lengths \[0\]"):
        bootstrap(mean, rows[:0])
    with pytest.raises(ValueError, match="each of 20 images, got 3"):
        wilson(np.zeros(20, bool), np.arange(3))
