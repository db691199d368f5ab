"""AvgkNN, LOF and Rarity against PyOD, recorded outputs and values worked out by hand."""

import numpy as np
import pytest
import torch
from pyod.models.ecod import ECOD
from pyod.models.knn import KNN
from pyod.models.lof import LOF

from monai_minority.evaluation.density import NeighbourIndex, PyODDetector, average_knn, local_outlier_factor, rarity


@pytest.fixture(scope="module")
def recorded(fixtures_dir):
    return torch.load(fixtures_dir / "density.pt", weights_only=True)


def test_average_knn_equals_the_record(recorded):
    entry = recorded["avgknn"]
    for query, scores in ((entry["fake"], "fake_scores"), (None, "real_scores")):
        result = average_knn(entry["real"], query, k=entry["n_neighbors"])
        np.testing.assert_allclose(result, entry[scores].numpy(), rtol=1e-6)


def test_local_outlier_factor_equals_the_record(recorded):
    entry = recorded["lof"]
    for query, scores in ((entry["fake"], "fake_scores"), (None, "real_scores")):
        result = local_outlier_factor(entry["real"], query, k=entry["n_neighbors"])
        np.testing.assert_allclose(result, entry[scores].numpy(), rtol=1e-6)


def test_rarity_equals_the_record(recorded):
    entry = recorded["k5"]
    result = rarity(entry["real"], entry["fake"], k=entry["k"])
    inside = np.sort(entry["rarity_ids"].numpy())
    np.testing.assert_array_equal(np.flatnonzero(np.isfinite(result)), inside)
    np.testing.assert_allclose(result[inside], entry["rarity"].numpy()[inside], rtol=1e-6)
    assert np.isfinite(result).mean() == pytest.approx(entry["precision"], abs=1e-7), "the share inside is precision"


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("copies", [0, 4], ids=["distinct", "with copies"])
def test_measures_equal_pyod(dtype, copies):
    rng = np.random.default_rng(1)
    real = rng.standard_normal((300, 20)).astype(dtype) * rng.gamma(2, size=(300, 1)).astype(dtype)
    query = rng.standard_normal((90, 20)).astype(dtype)
    for _ in range(copies):
        real = np.concatenate([real, real[:20]])
    query = np.concatenate([query, real[:10]])
    index = NeighbourIndex(real, k=20)
    knn = KNN(method="mean", n_neighbors=5).fit(real)
    # A copy is at distance 0 here and at the rounding of norms in PyOD: hence the absolute part.
    np.testing.assert_allclose(average_knn(index), knn.decision_scores_, rtol=1e-6, atol=2e-7)
    np.testing.assert_allclose(average_knn(index, query), knn.decision_function(query), rtol=1e-6, atol=2e-7)
    lof = LOF(n_neighbors=20).fit(real)
    np.testing.assert_allclose(local_outlier_factor(index), lof.decision_scores_, rtol=1e-6)
    np.testing.assert_allclose(local_outlier_factor(index, query), lof.decision_function(query), rtol=1e-6)


def test_measures_do_not_depend_on_order_or_container():
    rng = np.random.default_rng(2)
    real, query = rng.standard_normal((80, 6)), rng.standard_normal((30, 6))
    shuffled, order = rng.permutation(80), rng.permutation(30)
    for measure, k in ((average_knn, 5), (local_outlier_factor, 20), (rarity, 5)):
        expected = measure(real, query, k=k)
        np.testing.assert_allclose(measure(real[shuffled], query[order], k=k), expected[order], rtol=1e-12)
        np.testing.assert_array_equal(measure(torch.from_numpy(real), torch.from_numpy(query), k=k), expected)
        np.testing.assert_array_equal(measure(NeighbourIndex(real), NeighbourIndex(query), k=k), expected)
        own = measure(real, k=k)
        np.testing.assert_allclose(measure(real[shuffled], k=k), own[shuffled], rtol=1e-12)


def test_values_by_hand():
    real = np.array([[0.0], [1.0], [3.0]])
    np.testing.assert_allclose(average_knn(real, k=2), [2.0, 1.5, 2.5])
    np.testing.assert_allclose(average_knn(real, np.array([[5.0]]), k=2), [3.0])
    # 1-NN radii are 1, 1 and 2.
    scores = rarity(real, np.array([[0.5], [2.5], [4.5], [9.0]]), k=1)
    np.testing.assert_array_equal(scores, [1.0, 2.0, 2.0, np.nan])
    # Each point against the balls of the others: 3 lies in none.
    np.testing.assert_array_equal(rarity(real, k=1), [1.0, 1.0, np.nan])


def test_rarity_outside_every_ball_is_nan():
    scores = rarity(np.random.default_rng(3).random((50, 4)), np.full((6, 4), 100.0))
    assert np.isnan(scores).all()


def test_an_outlier_is_rarer():
    real = np.random.default_rng(4).standard_normal((200, 8))
    query = np.stack([np.zeros(8), np.full(8, 4.0)])
    for measure in (average_knn, local_outlier_factor):
        assert measure(real, query)[1] > 1.5 * measure(real, query)[0]


def test_pyod_detector_by_name():
    rng = np.random.default_rng(5)
    real, query = rng.standard_normal((60, 4)), torch.from_numpy(rng.standard_normal((10, 4)))
    expected, found = ECOD().fit(real), PyODDetector("ECOD").fit(real)
    np.testing.assert_array_equal(found.scores(), expected.decision_scores_)
    np.testing.assert_array_equal(found.scores(query), expected.decision_function(query.numpy()))
    by_path = PyODDetector("knn.KNN", method="mean", n_neighbors=3).fit(real).scores(query)
    np.testing.assert_allclose(by_path, average_knn(real, query, k=3), rtol=1e-6)
    with pytest.raises(ValueError, match="'Nonsense'"):
        PyODDetector("Nonsense")


@pytest.mark.filterwarnings("error")
def test_lof_beside_many_copies_is_not_a_number_and_is_said():
    """Thirty equal vectors and thirty near them, of blank pictures; PyOD's mean is above 1e7."""
    rng = np.random.default_rng(0)
    rest = rng.normal(size=(60, 16))
    near = rest[:1] + 1e-3 * np.arange(1, 31)[:, None]
    real = np.concatenate([np.repeat(rest[:1], 30, 0), near, rest]).astype(np.float32)
    with pytest.warns(UserWarning, match="of 120 vectors lie beside more than 20 equal real vectors"):
        found = local_outlier_factor(real, None, k=20)
    assert np.isnan(found).any() and np.isfinite(found[:30]).all()
    assert np.nanmax(found) < 100 and 0.9 < np.nanmean(found) < 10
    few = np.concatenate([np.repeat(rest[:1], 10, 0), rest])  # no more copies than neighbours: all is defined
    assert np.isfinite(local_outlier_factor(few, None, k=20)).all()
