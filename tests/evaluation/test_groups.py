"""Votes computed by hand, and groups that are apart, mixed, or rare."""

import numpy as np
import pytest
from sklearn.metrics import balanced_accuracy_score
from sklearn.neighbors import KNeighborsClassifier

from monai_minority.evaluation.groups import called, group_shares, normal_groups, separation


def test_votes_by_hand():
    """Bank at 0, 60 and 90 degrees; the query at 30 has cosines cos 30, cos 30 and 1/2."""
    angles = np.radians([0, 60, 90, 200])
    bank = np.stack([np.cos(angles), np.sin(angles)], 1) * np.array([[1], [5], [0.1], [2]])
    query = np.array([[np.cos(np.pi / 6), np.sin(np.pi / 6)]]) * 3
    names, shares = group_shares(bank, np.array(["b", "a", "b", "b"]), query, k=3, temperature=0.5)
    near, far = np.exp(np.sqrt(3) / 2 / 0.5), np.exp(0.5 / 0.5)
    a, b = near, (near + far) / 3
    assert list(names) == ["a", "b"]
    np.testing.assert_allclose(shares, [[a / (a + b), b / (a + b)]], rtol=1e-5)


def test_equal_groups_vote_as_scikit_learn():
    rng = np.random.default_rng(0)
    bank, query = rng.normal(size=(90, 5)), rng.normal(size=(40, 5))
    groups = np.arange(90) % 3

    def weigh(distances):
        return np.exp((1 - distances) / 0.07)

    oracle = KNeighborsClassifier(7, metric="cosine", algorithm="brute", weights=weigh).fit(bank, groups)
    _, shares = group_shares(bank, groups, query, k=7)
    np.testing.assert_allclose(shares, oracle.predict_proba(query), atol=1e-4)


def _two_groups(distance, rng, counts=(300, 12)):
    """Directions about the first axis, and about one turned away from it by ``distance``."""
    groups = np.repeat(["common", "rare"], counts)
    features = rng.normal(scale=0.1, size=(sum(counts), 8))
    features[:, 0] += 1
    features[groups == "rare", 1] += distance
    return features, groups


def test_a_rare_group_that_lies_apart_is_found():
    rng = np.random.default_rng(1)
    bank, query = _two_groups(1.0, rng), _two_groups(1.0, rng, (50, 50))
    accuracy, auc = separation(*bank, *query, normal="common", resamples=50)
    assert accuracy.value > 0.97 and auc.value > 0.99
    assert auc.value == 1 and np.isnan([auc.low, auc.high]).all(), "all resamples agree"
    assert auc.context["interval"] == "none: all resamples agree"
    near = separation(*_two_groups(0.2, rng), *_two_groups(0.2, rng, (50, 50)), normal="common", resamples=50)
    for figure in near:
        assert figure.low < figure.value < figure.high
    assert auc.context["k"] == 20 and auc.context["N bank"] == 312 and auc.context["N positive"] == 50


def test_groups_that_are_mixed_give_chance():
    rng = np.random.default_rng(2)
    bank, query = _two_groups(0.0, rng, (300, 300)), _two_groups(0.0, rng, (300, 300))
    accuracy, auc = separation(*bank, *query, normal="common", resamples=0)
    assert accuracy.value == pytest.approx(0.5, abs=0.06) and auc.value == pytest.approx(0.5, abs=0.06)
    assert np.isnan(auc.low)


def test_balanced_accuracy_is_scikit_learns():
    rng = np.random.default_rng(3)
    bank, (query, groups) = _two_groups(0.2, rng), _two_groups(0.2, rng, (80, 20))
    accuracy, _ = separation(*bank, query, groups, normal="common", resamples=0)
    names, shares = group_shares(*bank, query)
    assert accuracy.value == pytest.approx(balanced_accuracy_score(groups, names[shares.argmax(1)]))


def test_bad_arguments():
    features, groups = _two_groups(1.0, np.random.default_rng(0))
    with pytest.raises(ValueError, match="normal must be among the groups of the bank .common, rare., got usual"):
        separation(features, groups, features, groups, normal="usual")
    with pytest.raises(ValueError, match="got 311 for 312"):
        group_shares(features, groups[1:], features)


def test_the_normal_group_is_the_commonest_that_is_learned_from():
    groups = ["b", "b", "b", "a", "a", None, "c", "c"]
    assert normal_groups(groups) == ["b"]
    assert normal_groups(groups, [False] * 3 + [True] * 3 + [False] * 2) == ["a"]
    assert normal_groups(groups, [False] * 3 + [True] * 5) == ["a"], "of equal ones the first in the alphabet"
    assert normal_groups(groups, [False] * 8) == ["b"], "with nothing learned from, of all"


def test_named_groups_are_normal_together_or_refused():
    assert normal_groups(["a", "b", "c"], normal="c") == ["c"]
    assert normal_groups(["a", "b", "c"], normal=("c", "a")) == ["c", "a"]
    assert called(["c"]) == "c" and called(["c", "a"]) == "2 normal groups"
    for normal, said in (("d", "d"), (["a", "d"], "a, d"), ([], "")):
        with pytest.raises(ValueError, match=f"normal_group must be among the groups a, b, c, got {said}"):
            normal_groups(["a", "b", "c"], normal=normal)
    with pytest.raises(ValueError, match="groups must name a group for some image"):
        normal_groups([None, None])
