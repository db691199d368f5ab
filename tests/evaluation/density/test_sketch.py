"""Sketches bound distances from below, are taken where they save work, and change no result."""

import numpy as np
import pytest
import torch

from monai_minority.evaluation.density import NeighbourIndex, local_outlier_factor, rarity, sketch
from monai_minority.evaluation.density import neighbours as search
from monai_minority.evaluation.fidelity import density_coverage, precision_recall


def structured(count: int, dimension: int, seed: int, strong: int = 10) -> np.ndarray:
    mixing = np.random.default_rng(9).standard_normal((strong, dimension))
    rng = np.random.default_rng(seed)
    return (rng.standard_normal((count, strong)) @ mixing + 0.3 * rng.standard_normal((count, dimension))).astype("f4")


def isotropic(count: int, dimension: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((count, dimension)).astype("f4")


def test_distances_of_sketches_are_lower_bounds_and_tight_where_few_directions_matter():
    vectors = torch.from_numpy(structured(60, 40, 0)).double()
    directions = torch.linalg.qr(torch.linalg.svd(vectors - vectors.mean(0)).Vh[:10].T).Q
    found = sketch.Sketch(directions, vectors.mean(0))(vectors)
    assert found.shape == (60, 11)
    bounds, distances = torch.cdist(found.double(), found.double()), torch.cdist(vectors, vectors)
    assert (bounds <= distances + 1e-5).all()
    assert (bounds > 0.9 * distances)[~torch.eye(60, dtype=torch.bool)].all()


def test_they_are_taken_where_they_save_work():
    assert NeighbourIndex(structured(2100, 512, 0), 5)._sketch is not None
    assert NeighbourIndex(isotropic(2100, 512, 0), 5)._sketch is None
    assert NeighbourIndex(structured(2100, 500, 0), 5)._sketch is None, "too short"


def copies(count: int, dimension: int, seed: int) -> np.ndarray:
    return np.concatenate([np.zeros((9, dimension), "f4"), structured(count // 9, dimension, seed).repeat(9, 0)])


def lattice(count: int, dimension: int, seed: int) -> np.ndarray:
    """Many points at equal distances and on the surfaces of balls."""
    return np.random.default_rng(seed).integers(0, 2, (count, dimension)).astype("f4")


def far_away(count: int, dimension: int, seed: int) -> np.ndarray:
    return structured(count, dimension, seed).astype(np.float64) + 1e4


def first_coordinates(vectors: torch.Tensor, centre: torch.Tensor) -> sketch.Sketch:
    return sketch.Sketch(torch.eye(vectors.shape[1], dtype=torch.float64)[:, :6], centre.double())


@pytest.mark.parametrize("data", [structured, isotropic, copies, lattice, far_away])
@pytest.mark.parametrize("block_bytes", [4 * 64**2, None])
def test_results_are_those_without(monkeypatch, data, block_bytes):
    real, generated = data(300, 24, 1), data(250, 24, 2)
    found = []
    for short in (False, True):
        if short:
            monkeypatch.setattr(search, "worthwhile_sketch", first_coordinates)
        a = NeighbourIndex(real, k=20, ball=5, block_bytes=block_bytes)
        b = NeighbourIndex(generated, k=0, ball=5, block_bytes=block_bytes)
        assert (a._sketch is not None) == short
        own, other = a.own, a.neighbours(b, 20)
        found.append(
            [own.squared, other.squared, np.asarray(rarity(a, b)), np.asarray(rarity(a)),
             *precision_recall(a, b), *density_coverage(a, b)]
        )  # fmt: skip
        if data is not copies and data is not lattice:  # there, which of the equally far comes last is open
            found[-1] += [own.indices, other.indices, local_outlier_factor(a, b)]
    for plain, short in zip(*found, strict=True):
        np.testing.assert_array_equal(plain, short)
