"""The ends of the scores, and the Gaussians of their features."""

import numpy as np
import pytest
import torch

from monai_minority.data import ImageStore
from monai_minority.evaluation.features import Thumbnail
from monai_minority.stages import feature_gaussians, score_bounds


@pytest.fixture
def store(tmp_path):
    """A hundred images; the ten of the highest scores are bright on the left."""
    rng = np.random.default_rng(0)
    scores = rng.permutation(100).astype(float)
    pixels = rng.integers(0, 100, (100, 1, 4, 4)).astype(np.uint8)
    pixels[scores >= 90, :, :, :2] += 150
    table = {"source": [f"s{i}" for i in range(100)], "slice": 0, "minority_score": scores, "split": "train"}
    return ImageStore.create(tmp_path / "store", pixels, table, (0, 255))


def test_the_means_are_those_of_the_ends_of_the_scores(store):
    bounds = score_bounds(store, 0.5, 0.1)
    assert bounds == pytest.approx([49.5, 89.1])
    found = feature_gaussians(Thumbnail(2), store, bounds)
    features = Thumbnail(2)(store.batch(slice(None))).numpy()
    scores = store.table["minority_score"].to_numpy()
    np.testing.assert_allclose(found.common, features[scores < 50].mean(0), rtol=1e-5)
    np.testing.assert_allclose(found.rare, features[scores >= 90].mean(0), rtol=1e-5)
    assert found.noise == pytest.approx(1 / 4, rel=0.1), "of a mean of four pixels"
    left, right = found.direction(torch.ones(1)).view(2, 2).T
    assert left.min() > 10 * right.abs().max(), "towards what is bright on the left"


def test_what_is_missing_is_named(store, tmp_path):
    with pytest.raises(ValueError, match="common_share and rare_share must be positive .* got 0.6 and 0.5"):
        score_bounds(store, 0.6, 0.5)
    bare = ImageStore.create(tmp_path / "bare", np.zeros((1, 1, 2, 2), np.uint8), {"split": ["train"]}, (0, 255))
    with pytest.raises(ValueError, match="has no column minority_score; run the stage score first"):
        score_bounds(bare, 0.5, 0.1)
