"""Agreement of scores with measures and groups."""

import math

import numpy as np
import pytest

from monai_minority.evaluation.agreement import group_auc, rank_correlation, strata_of
from monai_minority.evaluation.weighted_statistics import weighted_auc


def test_rank_correlation_by_hand():
    # Ranks 1 2 3 4 against 2 1 4 3: 1 - 6 * 4 / (4 * 15).
    figure = rank_correlation(np.array([1.0, 2, 30, 40]), np.array([2.0, 1, 9, 3]), resamples=0)
    assert float(figure) == pytest.approx(0.6)
    assert math.isnan(figure.low)


def test_interval_holds_the_true_correlation():
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((2, 500))
    figure = rank_correlation(x, 0.75**0.5 * y + 0.5 * x, resamples=100)
    true = 6 / math.pi * math.asin(0.25)  # Spearman's of a bivariate normal with correlation 0.5
    assert figure.low < true < figure.high
    assert figure.high - figure.low < 0.2
    assert "100 bootstrap resamples of images" in figure.context["interval"]


def test_auc_by_hand_and_missing_scores_counted():
    scores = np.array([1.0, 2.0, 3.0, 4.0, np.nan])
    figure = group_auc(scores, np.array([False, True, False, True, True]), resamples=50)
    assert float(figure) == 0.75
    assert figure.context["interval"] == "none: 2 images in the smaller group, at least 5 are needed"
    assert figure.context["N"] == 4
    assert figure.context["N without a value"] == 1
    assert figure.context["N positive"] == 2


def test_subjects_are_resampled_whole():
    rng = np.random.default_rng(1)
    subject = np.repeat(np.arange(30), 8)
    positive = subject < 10
    scores = (rng.standard_normal(30) + (np.arange(30) < 10))[subject]
    images = group_auc(scores, positive, resamples=100)
    subjects = group_auc(scores, positive, subjects=subject, resamples=100)
    assert subjects.value == images.value
    assert subjects.high - subjects.low > 1.8 * (images.high - images.low)
    assert "of subjects" in subjects.context["interval"]


def test_one_subject_of_each_group_has_no_interval():
    scores, positive = np.random.default_rng(2).standard_normal(20), np.arange(20) < 10
    figure = group_auc(scores, positive, subjects=positive.astype(int), resamples=50)
    assert math.isnan(figure.low) and math.isnan(figure.high) and 0 < figure.value < 1
    assert figure.context["interval"] == "none: 1 subjects in the smaller group, at least 5 are needed"


def test_strata_take_away_what_a_confounder_explains():
    rng = np.random.default_rng(3)
    rare = np.arange(20_000) < 2_000
    height = rng.standard_normal(20_000) + 1.5 * rare
    noise = rng.standard_normal(20_000)
    strata = strata_of(height)

    def areas(scores):
        ones = np.ones((1, len(scores)))
        return float(weighted_auc(scores, rare)(ones)[0]), float(weighted_auc(scores, rare, strata)(ones)[0])

    plain, matched = areas(height + 0.5 * noise)
    assert plain > 0.8 and matched == pytest.approx(0.5, abs=0.02)
    # Height alone, the worst case: 1.5 per standard deviation is at most 1.5 / 60 away.
    assert areas(height)[1] == pytest.approx(0.5 + 1.5 * height.std() / 60, abs=0.01)
    # A true effect stays: two normal scores one apart have the area of a normal at 1 over the root of 2.
    assert areas(height + noise + rare)[1] == pytest.approx(0.5 * (1 + math.erf(0.5)), abs=0.02)


def test_strata_are_of_one_width_and_know_no_missing_value():
    values = np.array([0.0, 1.0, 2.0, 3.0, np.nan])
    width = 0.2 * np.std(values[:4])
    assert strata_of(values)[:4].tolist() == [math.floor(v / width) for v in range(4)]
    assert np.isnan(strata_of(values)[4]) and strata_of(np.full(3, 7.0)).tolist() == [0, 0, 0]
    assert np.isnan(strata_of(np.full(2, np.nan))).all()
    with pytest.raises(ValueError, match="width must be positive, in standard deviations, got 0"):
        strata_of(values, 0)


def test_undefined_is_nan_and_bad_input_named():
    x = np.arange(5.0)
    assert math.isnan(group_auc(x, np.zeros(5, bool), resamples=0).value)
    assert math.isnan(rank_correlation(x, np.ones(5), resamples=0).value)
    with pytest.raises(ValueError, match=r"\(5,\) and \(4,\)"):
        rank_correlation(x, x[:4])
    with pytest.raises(ValueError, match="at least 3"):
        rank_correlation(np.full(5, np.nan), x)
