"""Precision, recall, density and coverage against the record and values worked out by hand."""

import numpy as np
import pytest
import torch

from monai_minority.evaluation.density import NeighbourIndex, rarity
from monai_minority.evaluation.fidelity import density_coverage, precision_recall


def test_equal_the_record(fixtures_dir):
    entry = torch.load(fixtures_dir / "density.pt", weights_only=True)["k5"]
    precision, recall = precision_recall(entry["real"], entry["fake"], k=entry["k"])
    assert precision == pytest.approx(entry["precision"], abs=1e-7)
    assert recall == pytest.approx(entry["recall"], abs=1e-7)
    index, generated = NeighbourIndex(entry["real"]), NeighbourIndex(entry["fake"])
    assert precision_recall(index, generated) == (precision, recall)
    assert precision == np.isfinite(rarity(index, generated)).mean()


def test_values_by_hand():
    real = np.array([[0.0], [1.0], [3.0]])  # 1-NN balls: [-1, 1], [0, 2], [1, 5]
    generated = np.array([[2.0], [4.0], [9.0]])  # [0, 4], [2, 6], [4, 14]
    assert precision_recall(real, generated, k=1) == (2 / 3, 1.0)
    # 2 lies in two balls, 4 in one, 9 in none; the first ball stays empty.
    assert density_coverage(real, generated, k=1) == (1.0, pytest.approx(2 / 3))


def test_density_and_coverage_equal_their_definition():
    rng = np.random.default_rng(0)
    real, generated, k = rng.standard_normal((60, 5)), 0.8 * rng.standard_normal((90, 5)), 4
    among = np.linalg.norm(real[:, None] - real[None], axis=-1)
    cross = np.linalg.norm(real[:, None] - generated[None], axis=-1)
    radii = np.sort(among, axis=1)[:, k]
    density, coverage = density_coverage(real, generated, k=k)
    assert density == pytest.approx((cross < radii[:, None]).sum() / (k * len(generated)))
    assert coverage == (cross.min(axis=1) < radii).mean()


def test_a_copied_set_is_perfect_and_a_distant_one_is_not():
    real = np.random.default_rng(1).standard_normal((40, 6))
    assert precision_recall(real, real.copy()) == (1, 1)
    assert density_coverage(real, real.copy()).coverage == 1
    assert precision_recall(real, real + 100) == (0, 0)
    assert density_coverage(real, real + 100) == (0, 0)


def test_the_index_must_fit():
    features = np.random.default_rng(2).random((20, 3))
    with pytest.raises(ValueError, match=r"index \(4\), got 5"):
        precision_recall(features, NeighbourIndex(features, k=0, ball=4), k=5)
