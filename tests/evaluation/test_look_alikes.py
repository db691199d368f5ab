"""Nearest images in one pass, against a plain search of all distances."""

import numpy as np
import pytest
import torch
from scipy.spatial.distance import cdist

from monai_minority.evaluation.look_alikes import look_alikes


@pytest.mark.parametrize("size", [7, 50, 1000])
def test_equals_a_plain_search(size):
    rng = np.random.default_rng(0)
    # Far from the origin, where a matrix product would lose the differences.
    vectors, query = (rng.normal(1000, 1, (n, 16)).astype(np.float32) for n in (103, 5))
    found = look_alikes(query, np.split(vectors, range(size, 103, size)), k=4)
    expected = cdist(query.astype(float), vectors.astype(float))
    assert np.array_equal(found.indices, np.argsort(expected, axis=1)[:, :4])
    np.testing.assert_allclose(found.distances, np.sort(expected, axis=1)[:, :4], rtol=1e-5)


def test_a_subjects_own_images_are_passed_over():
    vectors = torch.arange(6.0)[:, None]
    subjects = np.array(["a", "a", "b", "b", "c", "c"])
    query, own = vectors[[0, 3]], np.array(["a", "b"])
    found = look_alikes(query, vectors.split(4), k=5, subject=own, subjects=subjects)
    assert found.indices.tolist() == [[2, 3, 4, 5, -1], [4, 1, 5, 0, -1]]
    assert found.distances.tolist() == [[2, 3, 4, 5, np.inf], [1, 2, 2, 3, np.inf]]
