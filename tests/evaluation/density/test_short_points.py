"""Points bound distances, short ones are taken where they save work, and change no result."""

import numpy as np
import pytest
import torch

from monai_minority.evaluation.density import NeighbourIndex, local_outlier_factor, nearest, rarity
from monai_minority.evaluation.density.lower_bounds import Frame
from monai_minority.evaluation.fidelity import density_coverage, precision_recall


def structured(count: int, dimension: int, seed: int, strong: int = 10) -> np.ndarray:
    mixing = np.random.default_rng(9).standard_normal((strong, dimension))
    rng = np.random.default_rng(seed)
    return (rng.standard_normal((count, strong)) @ mixing + 0.3 * rng.standard_normal((count, dimension))).astype("f4")


def isotropic(count: int, dimension: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((count, dimension)).astype("f4")


@pytest.mark.parametrize("short", [False, True])
@pytest.mark.parametrize("scale", [1e-4, 1, 1e4])
def test_distances_of_points_bound_those_of_vectors(short, scale):
    vectors = structured(60, 40, 0).astype(np.float64) * scale + 100
    centre = vectors.mean(0)
    directions = torch.linalg.qr(torch.linalg.svd(torch.from_numpy(vectors - centre)).Vh[:10].T).Q
    points = Frame(centre, directions if short else None).place(vectors)
    assert points.points.shape == (60, 11 if short else 40)
    exact = ((vectors[:, None] - vectors) ** 2).sum(-1)
    found = points.distances(points)
    assert (found <= points.frame.reach(exact, points.lengths[:, None])).all()
    row, column = np.indices((60, 60))
    assert (points.upper_bounds(points, row, column, found) >= exact).all()
    assert (found > 0.8 * exact)[~np.eye(60, dtype=bool)].all()


def test_short_points_are_taken_where_they_save_work():
    def width(vectors: np.ndarray) -> int:
        return nearest.points_of(vectors, 5).points.shape[1]

    assert width(structured(2100, 512, 0)) == 512 // 16 + 1
    assert width(isotropic(2100, 512, 0)) == 512
    assert width(structured(2100, 500, 0)) == 500, "too short"


def copies(count: int, dimension: int, seed: int) -> np.ndarray:
    return np.concatenate([np.zeros((9, dimension), "f4"), structured(count // 9, dimension, seed).repeat(9, 0)])


def lattice(count: int, dimension: int, seed: int) -> np.ndarray:
    """Many points at equal distances and on the surfaces of balls."""
    return np.random.default_rng(seed).integers(0, 2, (count, dimension)).astype("f4")


def far_away(count: int, dimension: int, seed: int) -> np.ndarray:
    return structured(count, dimension, seed).astype(np.float64) + 1e4


@pytest.mark.parametrize("data", [structured, isotropic, copies, lattice, far_away])
@pytest.mark.parametrize("block_bytes", [4 * 64**2, 2**25])
def test_results_are_those_without(monkeypatch, data, block_bytes):
    real, generated = data(300, 24, 1), data(250, 24, 2)
    monkeypatch.setattr(nearest, "LONG", 1)
    monkeypatch.setattr(nearest, "MANY", 1)
    monkeypatch.setattr(nearest, "SHORTENING", 4)
    found = []
    for short in (False, True):
        monkeypatch.setattr(nearest, "WORTHWHILE", -1 if short else 2)
        a = NeighbourIndex(real, k=20, ball=5, block_bytes=block_bytes)
        b = NeighbourIndex(generated, k=0, ball=5, block_bytes=block_bytes)
        assert (a._points.points.shape[1] == 7) == short
        own, other = a.own, a.neighbours(b, 20)
        found.append(
            [own.squared, other.squared, np.asarray(rarity(a, b)), np.asarray(rarity(a)),
             *precision_recall(a, b), *density_coverage(a, b)]
        )  # fmt: skip
        if data is not copies and data is not lattice:  # there, which of the equally far comes last is open
            found[-1] += [own.indices, other.indices, local_outlier_factor(a, b)]
    for plain, short in zip(*found, strict=True):
        np.testing.assert_array_equal(plain, short)
