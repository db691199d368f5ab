"""Fréchet distance against closed forms, clean-fid's record, and its own routes against each other."""

import numpy as np
import pytest
import torch
from scipy.linalg import sqrtm

from monai_minority.evaluation.fidelity import frechet_distance

pytestmark = pytest.mark.filterwarnings("ignore:Fréchet distance from")


def _with_moments(rng, n, mean, covariance):
    """Vectors whose sample mean and covariance are exactly those given."""
    x = rng.standard_normal((n, len(mean)))
    x -= x.mean(axis=0)
    x = x @ np.linalg.inv(np.linalg.cholesky(np.cov(x, rowvar=False).reshape(len(mean), -1))).T
    return x @ np.linalg.cholesky(covariance).T + mean


def test_equals_the_record(fixtures_dir):
    entry = torch.load(fixtures_dir / "frechet.pt", weights_only=True)["frechet/full_rank"]
    assert frechet_distance(entry["a"], entry["b"]) == pytest.approx(entry["distance"], rel=1e-9)


def test_one_dimension_is_closed_form():
    rng = np.random.default_rng(0)
    a = _with_moments(rng, 40, np.array([1.0]), np.array([[4.0]]))
    b = _with_moments(rng, 60, np.array([-2.0]), np.array([[0.25]]))
    assert frechet_distance(a, b) == pytest.approx(3.0**2 + (2.0 - 0.5) ** 2, rel=1e-12)


def test_diagonal_covariances_are_closed_form():
    rng = np.random.default_rng(1)
    deviations = np.array([1.0, 2.0, 0.1]), np.array([3.0, 0.5, 0.1])
    a, b = (_with_moments(rng, 50, np.full(3, m), np.diag(s**2)) for m, s in zip((0, 1), deviations, strict=True))
    expected = 3 + ((deviations[0] - deviations[1]) ** 2).sum()
    assert frechet_distance(a, b) == pytest.approx(expected, rel=1e-10)


def test_few_samples_equal_the_definition_of_their_moments():
    # In the plane spanned by the samples the covariances have full rank, and there the definition can be
    # evaluated.
    rng = np.random.default_rng(2)
    low = rng.standard_normal((20, 6)), rng.standard_normal((30, 6)) + 0.5
    embedding = np.linalg.qr(rng.standard_normal((200, 6)))[0].T
    product = np.cov(low[0], rowvar=False) @ np.cov(low[1], rowvar=False)
    expected = (
        np.square(low[0].mean(0) - low[1].mean(0)).sum()
        + sum(np.trace(np.cov(x, rowvar=False)) for x in low)
        - 2 * np.trace(sqrtm(product)).real
    )
    assert frechet_distance(low[0] @ embedding, low[1] @ embedding) == pytest.approx(expected, rel=1e-9)


def _from_moments(a, b):
    """By the eigenvalues of ``S_a^(1/2) S_b S_a^(1/2)``, whose roots sum to the trace of ``(S_a S_b)^(1/2)``."""
    covariances = [np.cov(x, rowvar=False) for x in (a, b)]
    values, directions = np.linalg.eigh(covariances[0])
    root = directions * np.sqrt(values.clip(0)) @ directions.T
    overlap = np.sqrt(np.linalg.eigvalsh(root @ covariances[1] @ root).clip(0)).sum()
    return np.square(a.mean(0) - b.mean(0)).sum() + sum(map(np.trace, covariances)) - 2 * overlap


def test_routes_agree():
    rng = np.random.default_rng(3)
    few, many = rng.standard_normal((10, 24)), rng.standard_normal((400, 24)) * 1.3
    for a, b in ((few, many), (many, few), (few, few[::-1] + 1), (many, many[:60])):
        assert frechet_distance(a, b) == pytest.approx(_from_moments(a, b), rel=1e-6)


def test_invariances():
    rng = np.random.default_rng(4)
    a, b = (
        rng.standard_normal((50, 8)).astype(np.float32),
        rng.standard_normal((70, 8)).astype(np.float32) + 1,
    )
    distance = frechet_distance(a, b)
    assert frechet_distance(b, a) == pytest.approx(distance, rel=1e-10)
    assert frechet_distance(rng.permutation(a), rng.permutation(b)) == pytest.approx(distance, rel=1e-10)
    assert frechet_distance(2 * a, 2 * b) == pytest.approx(4 * distance, rel=1e-10)
    assert frechet_distance(a, a) == pytest.approx(0, abs=1e-10)
    assert frechet_distance(a, a + 3) == pytest.approx(8 * 9, rel=1e-5)


@pytest.mark.filterwarnings("default:Fréchet distance from")
def test_says_when_samples_are_too_few():
    rng = np.random.default_rng(6)
    with pytest.warns(UserWarning, match="from 9 images in 12 dimensions"):
        frechet_distance(rng.random((9, 12)), rng.random((30, 12)))


def test_bad_input_is_named():
    good = np.random.default_rng(7).random((5, 3))
    with pytest.raises(ValueError, match="same dimension, got 3 and 2"):
        frechet_distance(good, good[:, :2])
    with pytest.raises(ValueError, match="b must be"):
        frechet_distance(good, good[:1])
    with pytest.raises(ValueError, match="finite"):
        frechet_distance(good, np.full((5, 3), np.nan))
