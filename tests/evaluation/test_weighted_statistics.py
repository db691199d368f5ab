"""Weighted statistics equal those of the resample written out, by scipy and scikit-learn."""

import numpy as np
import pytest
from scipy.stats import spearmanr
from sklearn.metrics import balanced_accuracy_score, recall_score, roc_auc_score, roc_curve

from monai_minority.evaluation.weighted_statistics import (
    weighted_auc,
    weighted_balanced_accuracy,
    weighted_mean,
    weighted_mean_recall,
    weighted_rank_correlation,
    weighted_sensitivity,
    weighted_top_share,
)


@pytest.fixture
def sample():
    rng = np.random.default_rng(0)
    values = rng.integers(0, 12, 60).astype(float)  # many ties
    other = np.round(values + rng.normal(0, 4, 60))
    return values, other, rng.random(60) < 0.3, rng.integers(0, 4, (20, 60)).astype(float)


def test_rank_correlation_and_auc_equal_those_of_the_resample_written_out(sample):
    values, other, rare, weights = sample
    correlations = weighted_rank_correlation(values, other)(weights)
    areas = weighted_auc(values, rare)(weights)
    for row, correlation, area in zip(weights.astype(int), correlations, areas, strict=True):
        a, b, positive = (array.repeat(row) for array in (values, other, rare))
        assert correlation == pytest.approx(spearmanr(a, b).statistic, abs=1e-12)
        assert area == pytest.approx(roc_auc_score(positive, a), abs=1e-12)


def test_auc_within_strata_is_the_share_of_pairs_won(sample):
    values, other, rare, weights = sample
    strata = np.digitize(other, [0, 3, 6, 9])
    areas = weighted_auc(values, rare, strata)(weights)
    for row, area in zip(weights.astype(int), areas, strict=True):
        a, positive, of = (array.repeat(row) for array in (values, rare, strata))
        near = of[positive][:, None] == of[~positive]
        ahead = a[positive][:, None] - a[~positive]
        assert area == pytest.approx(((ahead > 0) + 0.5 * (ahead == 0))[near].mean(), abs=1e-12)
    assert (weighted_auc(values, rare, np.zeros(60))(weights) == weighted_auc(values, rare)(weights)).all()


def test_top_share_equals_that_of_the_resample_written_out(sample):
    values, _, rare, weights = sample
    shares = weighted_top_share(values, rare)(weights)
    for row, share in zip(weights.astype(int), shares, strict=True):
        a, positive = values.repeat(row), rare.repeat(row)
        highest = np.argsort(-a, kind="stable")[: len(a) // 10]
        assert share == pytest.approx(positive[highest].mean(), abs=1e-12)


def test_balanced_accuracy_equals_that_of_the_resample_written_out(sample):
    values, _, rare, weights = sample
    for row, accuracy in zip(weights.astype(int), weighted_balanced_accuracy(values, rare, 7)(weights), strict=True):
        a, positive = values.repeat(row), rare.repeat(row)
        assert accuracy == pytest.approx(balanced_accuracy_score(positive, a >= 7), abs=1e-12)


@pytest.mark.parametrize("specificity", [0.5, 0.8, 0.9])
def test_sensitivity_is_the_highest_on_the_roc_curve_at_that_specificity(sample, specificity):
    values, _, rare, weights = sample
    found = weighted_sensitivity(values, rare, specificity)(weights)
    for row, sensitivity in zip(weights.astype(int), found, strict=True):
        false, true, _ = roc_curve(rare.repeat(row), values.repeat(row), drop_intermediate=False)
        assert sensitivity == pytest.approx(true[false <= 1 - specificity + 1e-9].max(), abs=1e-12)


def test_a_specificity_met_exactly_counts():
    values, rare = np.arange(11.0), np.r_[np.zeros(9, bool), True, False]
    assert weighted_sensitivity(values, rare, 0.9)(np.ones((1, 11)))[0] == 1, "one false alarm of ten is allowed"
    assert weighted_sensitivity(values, rare, 0.91)(np.ones((1, 11)))[0] == 0


def test_a_statistic_that_is_not_defined_is_nan():
    values, rare = np.arange(4.0), np.array([True, False, False, False])
    weights = np.array([[0.0, 1, 2, 1], [1, 1, 1, 1]])
    assert np.isnan(weighted_auc(values, rare)(weights)).tolist() == [True, False]
    assert np.isnan(weighted_rank_correlation(values, np.ones(4))(weights)).all()


def test_mean_and_mean_recall_equal_those_of_the_resample_written_out(sample):
    values, other, _, weights = sample
    groups, found = (values // 5).astype(int), (other // 5).astype(int)
    means, recalls = weighted_mean(values)(weights), weighted_mean_recall(groups, found)(weights)
    for row, mean, recall in zip(weights.astype(int), means, recalls, strict=True):
        assert mean == pytest.approx(values.repeat(row).mean(), abs=1e-12)
        there = np.unique(groups.repeat(row))
        direct = recall_score(groups.repeat(row), found.repeat(row), average="macro", labels=there)
        assert recall == pytest.approx(direct, abs=1e-12)
