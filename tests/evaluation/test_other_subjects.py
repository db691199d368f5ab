"""AvgkNN among other subjects: that of an image by itself where each is its own subject, and else by hand."""

import numpy as np
import pytest

from monai_minority.evaluation.density import NeighbourIndex, average_knn
from monai_minority.evaluation.other_subjects import average_knn_of_others, neighbours_to_keep


def test_each_its_own_subject_gives_the_same_bits():
    features = np.random.default_rng(0).standard_normal((200, 8)).astype(np.float32)
    subjects = np.arange(200)
    assert neighbours_to_keep(5, subjects) == 5
    index = NeighbourIndex(features, k=5)
    assert np.array_equal(average_knn_of_others(index, subjects, 5), average_knn(index, None, 5))


@pytest.mark.parametrize("k", [1, 5])
def test_the_whole_subject_is_left_out(k):
    rng = np.random.default_rng(1)
    subjects = rng.permutation(np.repeat(np.arange(12), [1, 2, 3, 4, 5, 6, 7, 2, 2, 2, 1, 1]))
    features = (rng.standard_normal((12, 6))[subjects] + 0.05 * rng.standard_normal((36, 6))).astype(np.float32)
    kept = neighbours_to_keep(k, subjects)
    assert kept == k + 6
    found = average_knn_of_others(NeighbourIndex(features, k=kept), subjects, k)
    distances = np.linalg.norm(features[:, None].astype(float) - features[None], axis=-1)
    distances[subjects[:, None] == subjects] = np.inf
    np.testing.assert_allclose(found, np.sort(distances, axis=1)[:, :k].mean(axis=1), rtol=1e-6)


def test_a_subject_of_nearly_all_images_is_named():
    subjects = np.repeat([0, 1], [17, 3])
    with pytest.raises(ValueError, match="5 images of other subjects for each image, got 3 for the largest subject"):
        neighbours_to_keep(5, subjects)


def test_an_index_that_keeps_too_few_is_refused():
    features, subjects = np.random.default_rng(2).standard_normal((20, 2)), np.repeat(np.arange(10), 2)
    with pytest.raises(ValueError, match="index must keep 6 neighbours, got 5; build it with k=6"):
        average_knn_of_others(NeighbourIndex(features, k=5, ball=0), subjects, 5)
