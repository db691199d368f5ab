"""The nearest images by hand, and look-alikes as a search over all."""

import numpy as np
import pytest
import torch
from scipy.spatial.distance import cdist

from monai_minority.evaluation.nearest import look_alikes, nearest_other, nearest_real


def test_nearest_real_by_hand():
    real = np.array([[0.0], [1.0], [5.0]])
    distances, indices = nearest_real(real, np.array([[4.0], [0.4]]), k=2)
    np.testing.assert_allclose(distances, [[1, 3], [0.4, 0.6]])
    np.testing.assert_array_equal(indices, [[2, 1], [0, 1]])


def test_nearest_of_another_subject_and_ratio_by_hand():
    subjects = np.array(["a", "a", "b", "b", "b"])
    real = np.array([[0.0], [0.1], [3.0], [3.1], [3.3]])
    own = nearest_other(nearest_real(real, real, 4), subjects, subjects)
    np.testing.assert_allclose(own.distances, [3.0, 2.9, 2.9, 3.0, 3.2])
    np.testing.assert_array_equal(own.indices, [2, 2, 1, 1, 1])
    found = nearest_other(nearest_real(real, np.array([[3.5], [3.0], [1.0], [-4.0]]), 4), subjects)
    # To the nearest over that to the nearest of the other subject.
    np.testing.assert_allclose(found.ratio, [0.2 / 3.4, 0, 0.9 / 2, 4 / 7])


@pytest.mark.parametrize("size", [7, 50, 1000])
def test_look_alikes_equal_a_plain_search(size):
    rng = np.random.default_rng(0)
    # Far from the origin, where a matrix product would lose the differences.
    vectors, query = (rng.normal(1000, 1, (n, 16)).astype(np.float32) for n in (103, 5))
    found = look_alikes(query, np.split(vectors, range(size, 103, size)), k=4)
    expected = cdist(query.astype(float), vectors.astype(float))
    assert np.array_equal(found.indices, np.argsort(expected, axis=1)[:, :4])
    np.testing.assert_allclose(found.distances, np.sort(expected, axis=1)[:, :4], rtol=1e-5)


def test_look_alikes_pass_over_a_subjects_own_images():
    vectors = torch.arange(6.0)[:, None]
    subjects = np.array(["a", "a", "b", "b", "c", "c"])
    query, own = vectors[[0, 3]], np.array(["a", "b"])
    found = look_alikes(query, vectors.split(4), k=5, subject=own, subjects=subjects)
    assert found.indices.tolist() == [[2, 3, 4, 5, -1], [4, 1, 5, 0, -1]]
    assert found.distances.tolist() == [[2, 3, 4, 5, np.inf], [1, 2, 2, 3, np.inf]]
