"""The search against distances spelled out in float64: far from the origin, with copies, ties and tiny
blocks."""

import faiss
import numpy as np
import pytest
import torch

from monai_minority.evaluation.density import NeighbourIndex


def _distances(query: np.ndarray, real: np.ndarray) -> np.ndarray:
    difference = query[:, None].astype(np.float64) - real[None].astype(np.float64)
    return np.sqrt((difference**2).sum(-1))


def _cases() -> dict[str, tuple[np.ndarray, np.ndarray]]:
    rng = np.random.default_rng(0)
    plain = rng.standard_normal((150, 12)).astype(np.float32)
    query = rng.standard_normal((70, 12)).astype(np.float32)
    grid = rng.integers(0, 3, size=(150, 4)).astype(np.float32)
    outlier = plain.copy()
    outlier[7] = 3e4
    return {
        "plain": (plain, query),
        "far from the origin": (plain + 1000, query + 1000),
        "float64 beside float32": (plain.astype(np.float64), query),
        "one huge outlier": (outlier, query),
        "close together": (1 + 1e-4 * plain, 1 + 1e-4 * query),
        "ties and copies": (grid, rng.integers(0, 3, size=(70, 4)).astype(np.float32)),
        "copies among the queries": (plain, np.concatenate([plain[:40], query[:30]])),
        "too close for float32": (1e-25 * plain.astype(np.float64), 1e-25 * query.astype(np.float64)),
        "two groups far apart": tuple(
            np.concatenate([x, x + 1e4]).astype(np.float64) for x in (plain[:75], query[:35])
        ),
        "nearly copies": tuple(
            np.repeat(x[:50], 3, 0) + 1e-9 * rng.standard_normal((150, 12)) for x in (plain, np.tile(query, (2, 1)))
        ),
        "no more than the neighbours and itself": (plain[:9], query),
        "all the same": (np.ones((40, 3), np.float32), np.ones((5, 3), np.float32)),
    }


@pytest.mark.parametrize("block_bytes", [20_000, 64 * 2**20], ids=["tiny tiles", "one tile"])
@pytest.mark.parametrize("name", _cases())
def test_neighbours_and_balls_equal_the_definition(name, block_bytes):
    real, query = _cases()[name]
    k = 5
    index = NeighbourIndex(real, k=8, ball=k, block_bytes=block_bytes)
    queries = NeighbourIndex(query, k=0, ball=min(k, len(query) - 1), block_bytes=block_bytes)
    among = _distances(real, real)
    np.fill_diagonal(among, np.inf)
    cross = _distances(query, real)
    within = _distances(query, query)
    np.fill_diagonal(within, np.inf)

    own = index.neighbours(None, 8)
    np.testing.assert_allclose(own.distances, np.sort(among, axis=1)[:, :8], rtol=1e-12)
    assert (own.indices != np.arange(len(real))[:, None]).all()
    np.testing.assert_allclose(np.take_along_axis(among, own.indices, 1), own.distances, rtol=1e-12)
    found = index.neighbours(queries, 8)
    np.testing.assert_allclose(found.distances, np.sort(cross, axis=1)[:, :8], rtol=1e-12)
    np.testing.assert_allclose(np.take_along_axis(cross, found.indices, 1), found.distances, rtol=1e-12)

    radii = np.sort(among, axis=1)[:, k - 1]
    query_radii = np.sort(within, axis=1)[:, queries.ball - 1]
    inside = cross <= radii
    balls = index.balls(queries, k)
    smallest = np.where(inside, radii, np.inf).min(axis=1)
    np.testing.assert_allclose(balls.smallest_radius, np.where(np.isinf(smallest), np.nan, smallest), rtol=1e-12)
    np.testing.assert_array_equal(balls.count, inside.sum(axis=1))
    np.testing.assert_array_equal(balls.occupied, inside.any(axis=0))
    np.testing.assert_array_equal(balls.reached, (cross <= query_radii[:, None]).any(axis=0))

    # Each vector against the balls of the others: its k-th neighbour's surface may be exactly where it lies.
    own_balls = index.balls(None, k)
    np.testing.assert_array_equal(own_balls.count, (among <= radii).sum(axis=1))
    smallest = np.where(among <= radii, radii, np.inf).min(axis=1)
    np.testing.assert_allclose(own_balls.smallest_radius, np.where(np.isinf(smallest), np.nan, smallest), rtol=1e-12)
    assert own_balls.occupied.all()


def test_ball_surface_is_inside():
    real = np.array([[0.0], [1.0], [3.0]])
    balls = NeighbourIndex(real, k=0, ball=1).balls(np.array([[2.0], [2.0 + 1e-12], [5.0], [5.1]]), 1)
    np.testing.assert_array_equal(balls.count, [2, 1, 1, 0])
    np.testing.assert_array_equal(balls.smallest_radius, [1.0, 2.0, 2.0, np.nan])


def test_blocks_bound_memory_and_cover_every_row_once(monkeypatch):
    searched, looked_up = [], []
    knn, pairwise_distances = faiss.knn, faiss.pairwise_distances

    def counted_knn(queries, points, width):
        searched.append((len(queries), len(points), width))
        return knn(queries, points, width)

    def counted_distances(queries, points):
        looked_up.append((len(queries), len(points)))
        return pairwise_distances(queries, points)

    monkeypatch.setattr(faiss, "knn", counted_knn)
    monkeypatch.setattr(faiss, "pairwise_distances", counted_distances)
    block_bytes = 4 * 500 * 32
    index = NeighbourIndex(torch.randn(500, 6), k=3, ball=3, block_bytes=block_bytes)
    queries = NeighbourIndex(torch.randn(300, 6), k=3, ball=3, block_bytes=block_bytes)
    index.neighbours(queries, 3)
    index.neighbours(queries, 2)
    index.balls(queries, 3)
    index.balls(queries, 3)
    index.neighbours(None, 3)
    index.balls(None, 3)
    assert max(rows * columns * 4 for rows, columns in looked_up) <= block_bytes
    # However many measures ask, one product for each of real-real, generated-generated and generated-real, and one
    # for the balls of each two that are asked for. A wider search is a second one of few queries.
    first = min(width for _, _, width in searched)
    assert sum(rows * columns for rows, columns, width in searched if width == first) == 500**2 + 300**2 + 300 * 500
    assert sum(rows * columns for rows, columns in looked_up) == 300 * 500 + 500**2


def test_precision_settings_of_the_caller_do_not_matter():
    real, query = torch.randn(200, 64), torch.randn(50, 64)
    expected = NeighbourIndex(real, k=5).neighbours(query, 5).indices
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("medium")
    try:
        with torch.autocast("cpu", dtype=torch.bfloat16):
            found = NeighbourIndex(real, k=5).neighbours(query, 5).indices
        assert torch.get_float32_matmul_precision() == "medium"
    finally:
        torch.set_float32_matmul_precision(before)
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize(
    ("features", "settings", "message"),
    [
        (np.zeros((4, 2)), {"k": 5}, "at least 6 vectors, got 4"),
        (np.zeros((9, 2, 2)), {}, r"shape \[N, D\], got \(9, 2, 2\)"),
        (np.array([[0.0], [np.nan]] * 20), {"k": 1, "ball": 1}, r"rows \[1, 3, 5, 7, 9\]"),
        (np.zeros((9, 2)), {"k": 0, "ball": 0}, "not both 0"),
    ],
)
def test_bad_features_are_named(features, settings, message):
    with pytest.raises(ValueError, match=message):
        NeighbourIndex(features, **settings)


def test_bad_requests_are_named():
    index = NeighbourIndex(np.random.default_rng(0).random((30, 3)), k=4, ball=2)
    with pytest.raises(ValueError, match="k must be in"):
        index.neighbours(np.zeros((1, 3)), 5)
    with pytest.raises(ValueError, match="ball=2, got 3"):
        index.balls(None, 3)
    with pytest.raises(ValueError, match="dimension 3, got 4"):
        index.neighbours(np.zeros((1, 4)), 2)
