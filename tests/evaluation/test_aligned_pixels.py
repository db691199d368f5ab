"""Pixels are compared at the best of mirrors and moves, against a plain search of all of them."""

import numpy as np
import pytest
import torch

from monai_minority.evaluation.aligned_pixels import AlignedPixels
from monai_minority.evaluation.planted_copies import PlantedImages


def smooth(count, side=32, seed=0):
    noise = torch.randn(count, 1, 5, 5, generator=torch.Generator().manual_seed(seed))
    return torch.nn.functional.interpolate(noise, side, mode="bicubic").clamp(-1, 1)


def plain(query, other, shift):
    """Smallest root mean square difference, every mirror and move tried."""
    side = query.shape[-1] - 2 * shift
    inside = slice(shift, shift + side)
    return min(
        (other[:, top : top + side, left : left + side] - query.flip(axes)[:, inside, inside]).square().mean().sqrt()
        for axes in ((), (-1,), (-2,))
        for top in range(2 * shift + 1)
        for left in range(2 * shift + 1)
    )


def test_equals_a_plain_search_of_mirrors_and_moves():
    images, queries = smooth(12), smooth(3, seed=1)
    found = AlignedPixels(PlantedImages(images), max_shift=2, candidates=11, batch_size=2).nearest(
        PlantedImages(queries), [2, 0, 1]
    )
    expected = np.array([[plain(q, image, 2) for image in images] for q in queries[[2, 0, 1]]])
    order = np.argsort(expected, axis=1)[:, :11]
    assert np.array_equal(found.indices, order)
    np.testing.assert_allclose(found.distances, np.take_along_axis(expected, order, 1), atol=1e-3)


@pytest.mark.parametrize("axes", [(), (-1,), (-2,)])
@pytest.mark.parametrize("move", [(0, 0), (3, -2), (-1, 3)])
def test_a_mirrored_and_moved_copy_is_at_distance_0(axes, move):
    images = smooth(200)
    query = images[[50]].flip(axes).roll(move, dims=(-2, -1))
    found = AlignedPixels(PlantedImages(images), max_shift=3, candidates=4).nearest(PlantedImages(query), [0])
    assert found.indices[0, 0] == 50
    assert found.distances[0, 0] < 1e-3
    assert found.distances[0, 1] > 0.1
    unmoved = AlignedPixels(PlantedImages(images), max_shift=0, candidates=4).nearest(PlantedImages(query), [0])
    assert (unmoved.distances[0, 0] < 1e-3) == (move == (0, 0))


def test_bad_requests_are_named():
    with pytest.raises(ValueError, match="max_shift must be in \\[0, 3\\] for this size, got 4"):
        AlignedPixels(PlantedImages(smooth(4, 8)), max_shift=4)
    with pytest.raises(ValueError, match="candidates"):
        AlignedPixels(PlantedImages(smooth(4)), candidates=0)
