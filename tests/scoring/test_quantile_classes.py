import json

import numpy as np
import pandas as pd
import pytest
import torch

from monai_minority.scoring import QuantileClasses, score_ranks


@pytest.mark.parametrize("entry", ["distinct/L100", "one_big_tie/L50"])
def test_thresholds_and_labels_equal_the_recorded_ones(fixtures_dir, entry):
    recorded = torch.load(fixtures_dir / "labels.pt", weights_only=True)[entry]
    classes = QuantileClasses(recorded["num_classes"]).fit(recorded["scores"])
    torch.testing.assert_close(torch.from_numpy(classes.thresholds).float(), recorded["thresholds"], rtol=1e-6, atol=0)
    assert torch.equal(classes.transform(recorded["scores"]), recorded["labels"])
    assert classes.counts[None].tolist() == recorded["labels"].bincount(minlength=len(classes.thresholds)).tolist()


def test_quartiles_of_five_numbers():
    classes = QuantileClasses(4).fit([30.0, 10.0, 50.0, 20.0, 40.0])
    assert classes.thresholds.tolist() == [20.0, 30.0, 40.0, 50.0]
    assert classes.transform([5.0, 20.0, 20.1, 30.0, 50.0, 99.0]).tolist() == [0, 0, 1, 1, 3, 3]


def test_a_quantile_that_falls_on_a_score_is_that_score_whatever_the_rounding():
    # 0.07 * 100 and its like are not whole in floating point; the score there must stay in the lower class.
    for classes in (100, 50, 7):
        scores = np.arange(7 * 100 + 1) / 7
        cut = QuantileClasses(classes).fit(scores).thresholds
        expected = scores[[(i + 1) * 700 // classes for i in range(classes)]]
        assert cut.tolist() == expected.tolist()


def test_thresholds_are_numpys_linear_quantiles():
    scores = np.random.default_rng(0).gamma(2.0, size=1237)
    cut = QuantileClasses(13).fit(scores).thresholds
    np.testing.assert_allclose(cut, np.quantile(scores, np.arange(1, 14) / 13), rtol=1e-13)


def test_ties_do_not_raise_and_are_reported():
    report = QuantileClasses(4).fit([1.0, 2.0, 2.0, 2.0, 2.0, 3.0, 4.0, 5.0]).report()
    # Quartiles 2, 2, 3.25 and 5: the four twos share a threshold, and the second class stays empty.
    assert report["threshold"].tolist() == [2.0, 2.0, 3.25, 5.0]
    assert report["count"].tolist() == [5, 0, 1, 2]
    assert report["ties"].tolist() == [4, 4, 0, 0]
    same = QuantileClasses(2).fit([7.0, 7.0, 7.0])
    assert same.transform([7.0, 7.0]).tolist() == [0, 0]


def test_groups_have_their_own_thresholds_and_numbers_of_classes():
    scores = np.array([1.0, 2, 3, 4, 100, 200, 300])
    groups = np.array(["a", "a", "a", "a", "b", "b", "b"])
    classes = QuantileClasses({"a": 2, "b": 3}).fit(scores, groups)
    assert classes.transform(scores, groups).tolist() == [0, 0, 1, 1, 0, 1, 2]
    assert classes.thresholds["a"].tolist() == [2.5, 4.0]
    assert classes.thresholds["b"].tolist() == pytest.approx([100 + 200 / 3, 100 + 400 / 3, 300.0])
    assert classes.transform([3.0], ["b"]).tolist() == [0]


def test_the_kind_of_input_comes_back_as_int64():
    scores = torch.tensor([0.1, 0.4, 0.2, 0.3])
    classes = QuantileClasses(2).fit(scores)
    assert torch.equal(classes.transform(scores), torch.tensor([0, 1, 0, 1]))
    array = classes.transform(scores.numpy())
    assert isinstance(array, np.ndarray) and array.dtype == np.int64 and array.tolist() == [0, 1, 0, 1]
    series = classes.transform(pd.Series(scores.numpy(), index=list("wxyz")))
    pd.testing.assert_series_equal(series, pd.Series([0, 1, 0, 1], index=list("wxyz")))
    grouped = QuantileClasses(2).fit(scores, torch.tensor([5, 5, 6, 6]))
    assert torch.equal(grouped.transform(scores, torch.tensor([5, 5, 6, 6])), torch.tensor([0, 1, 0, 1]))


@pytest.mark.parametrize("groups", [None, [3, 3, 3, 8, 8, 8], ["x", "x", "x", "y", "y", "y"]])
def test_saving_loses_no_digit(tmp_path, groups):
    scores = np.random.default_rng(1).normal(size=6) / 3
    classes = QuantileClasses(3 if groups is None else {groups[0]: 2, groups[-1]: 3}).fit(scores, groups)
    classes.save(tmp_path / "classes.json")
    loaded = QuantileClasses.load(tmp_path / "classes.json")
    assert loaded.num_classes == classes.num_classes
    pd.testing.assert_frame_equal(loaded.report(), classes.report(), rtol=0, atol=0)
    probes = np.concatenate([classes.report()["threshold"], np.nextafter(classes.report()["threshold"], np.inf)])
    for group in [None] if groups is None else {groups[0], groups[-1]}:
        labels = None if group is None else [group] * len(probes)
        assert loaded.transform(probes, labels).tolist() == classes.transform(probes, labels).tolist()


def test_scores_that_are_not_finite_raise_with_their_rows():
    scores = torch.tensor([0.1, torch.nan, 0.2, torch.inf])
    with pytest.raises(ValueError, match=r"rows \[1, 3\]"):
        QuantileClasses(2).fit(scores)
    classes = QuantileClasses(2).fit([0.1, 0.2])
    with pytest.raises(ValueError, match=r"rows \['b'\]"):
        classes.transform(pd.Series([0.1, np.nan], index=["a", "b"]))
    with pytest.raises(ValueError, match=r"\[0, 1, 2, 3, 4, 5, 6, 7, 8, 9\] and 2 more"):
        classes.transform([float("nan")] * 12)


def test_wrong_input_is_named(tmp_path):
    for number in (1, 2.5, True):
        with pytest.raises(ValueError, match="num_classes must be whole and at least 2"):
            QuantileClasses(number)
    with pytest.raises(ValueError, match="3 images cannot fill num_classes=4"):
        QuantileClasses(4).fit([1.0, 2.0, 3.0])
    with pytest.raises(ValueError, match="call `fit` or `load` first"):
        QuantileClasses(2).transform([1.0])
    grouped = QuantileClasses(2).fit([1.0, 2.0, 3.0, 4.0], ["a", "a", "b", "b"])
    with pytest.raises(ValueError, match="'c' has no thresholds"):
        grouped.transform([1.0], ["c"])
    with pytest.raises(ValueError, match="groups must be given"):
        grouped.transform([1.0])
    with pytest.raises(ValueError, match="groups must be left out"):
        QuantileClasses(2).fit([1.0, 2.0]).transform([1.0], ["a"])
    with pytest.raises(ValueError, match=r"rows \[1\] are"):
        QuantileClasses(2).fit([1.0, 2.0], ["a", None])
    with pytest.raises(ValueError, match="no entry of group 'b'"):
        QuantileClasses({"a": 2}).fit([1.0, 2.0], ["b", "b"])
    with pytest.raises(ValueError, match=r"must be \[N\]"):
        grouped.fit(np.zeros((2, 2)))
    (tmp_path / "other.json").write_text("[]", encoding="utf-8")
    with pytest.raises(ValueError, match="holds no quantile classes"):
        QuantileClasses.load(tmp_path / "other.json")
    (tmp_path / "newer.json").write_text(json.dumps({"format_version": 9}), encoding="utf-8")
    with pytest.raises(ValueError, match="format_version must be 1, got 9"):
        QuantileClasses.load(tmp_path / "newer.json")


def test_tail_classes_halve_what_is_left():
    scores = np.random.default_rng(0).permutation(768.0 + np.arange(768))
    classes = QuantileClasses(6, spacing="tail").fit(scores)
    assert classes.counts[None].tolist() == [384, 192, 96, 48, 24, 24]
    assert np.bincount(classes.transform(scores)).tolist() == [384, 192, 96, 48, 24, 24]
    assert classes.thresholds[-1] == scores.max()
    assert classes.thresholds[:2].tolist() == np.quantile(scores, [0.5, 0.75]).tolist()
    with pytest.raises(ValueError, match="spacing must be one of equal, tail, got 'log'"):
        QuantileClasses(4, spacing="log")


def test_the_spacing_is_kept(tmp_path):
    scores = np.arange(64.0)
    QuantileClasses(4, spacing="tail").fit(scores).save(tmp_path / "classes.json")
    loaded = QuantileClasses.load(tmp_path / "classes.json")
    assert loaded.spacing == "tail"
    assert loaded.fit(scores).counts[None].tolist() == [32, 16, 8, 8]


def test_ranks_are_shares_of_the_fitted_below_and_half_of_the_equal():
    scores, fitted = [3.0, 1.0, 2.0, 2.0, 0.0, 2.5, 9.0], [True] * 4 + [False] * 3
    assert score_ranks(scores, fitted).tolist() == [0.875, 0.125, 0.5, 0.5, 0.0, 0.75, 1.0]
    within = score_ranks([1.0, 2.0, 10.0, 20.0, 15.0], [True] * 4 + [False], groups=["a", "a", "b", "b", "b"])
    assert within.tolist() == [0.25, 0.75, 0.25, 0.75, 0.5]
    with pytest.raises(ValueError, match="fitted must have an image of group 'b', got none"):
        score_ranks([1.0, 2.0], [True, False], groups=["a", "b"])
