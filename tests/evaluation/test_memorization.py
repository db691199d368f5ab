"""Copies are found, new images of the same distribution are not."""

import numpy as np
import pytest

from monai_minority.evaluation.density import NeighbourIndex
from monai_minority.evaluation.memorization import audit, nearest_real


def test_nearest_real_by_hand():
    real = np.array([[0.0], [1.0], [5.0]])
    distances, indices = nearest_real(real, np.array([[4.0], [0.4]]), k=2)
    np.testing.assert_allclose(distances, [[1, 3], [0.4, 0.6]])
    np.testing.assert_array_equal(indices, [[2, 1], [0, 1]])


def test_audit_finds_planted_copies():
    rng = np.random.default_rng(0)
    real, generated = rng.standard_normal((2, 400, 6))
    generated[:40] = real[100:140] + 1e-3 * rng.standard_normal((40, 6))
    result = audit(real, NeighbourIndex(generated), quantile=0.02)
    assert result.suspected[:40].all()
    np.testing.assert_array_equal(result.indices[:40], np.arange(100, 140))
    # Of the rest, about as many as of unseen people.
    assert result.suspected[40:].mean() < 0.06
    assert float(result.share) == result.suspected.mean()
    assert result.share.context["expected"] == 0.02


def test_baseline_is_between_subjects():
    subjects = np.array(["a", "a", "b", "b", "b"])
    real = np.array([[0.0], [0.1], [3.0], [3.1], [3.3]])
    result = audit(real, np.array([[3.5]]), subjects, quantile=0.5)
    np.testing.assert_allclose(result.baseline, [3.0, 2.9, 2.9, 3.0, 3.2])
    assert result.suspected.all()
    # Were slices of one subject taken for different people, the same image would not stand out.
    assert not audit(real, np.array([[3.5]]), quantile=0.5).suspected.any()


def test_bad_requests_are_named():
    real = np.random.default_rng(1).random((10, 2))
    with pytest.raises(ValueError, match="quantile"):
        audit(real, real, quantile=1.0)
    with pytest.raises(ValueError, match="each of 10 images"):
        audit(real, real, np.zeros(3))
    with pytest.raises(ValueError, match="at least two"):
        audit(real, real, np.zeros(10))


def test_ratio_and_authenticity_by_hand():
    subjects = np.array(["a", "a", "b", "b", "b"])
    real = np.array([[0.0], [0.1], [3.0], [3.1], [3.3]])
    result = audit(real, np.array([[3.5], [3.0], [1.0], [-4.0]]), subjects, quantile=0.5)
    # To the nearest over that to the nearest of the other subject.
    np.testing.assert_allclose(result.ratio, [0.2 / 3.4, 0, 0.9 / 2, 4 / 7])
    # Alaa et al.: the image at -4 alone is farther from its nearest real image than that is from the other subject.
    np.testing.assert_array_equal(result.authentic, [False, False, False, True])
