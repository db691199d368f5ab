"""The thumbnail space on images whose cell means are known."""

import pytest
import torch

from monai_minority.evaluation.features import Thumbnail, describe_extractor
from monai_minority.run.content import of_network


def test_features_are_the_means_of_cells():
    cells = torch.arange(8.0).reshape(1, 2, 2, 2)
    image = cells.repeat_interleave(3, dim=2).repeat_interleave(3, dim=3)
    assert Thumbnail(2)(image).tolist() == [list(range(8))]


def test_texture_within_a_cell_is_not_seen():
    checkerboard = (torch.arange(8)[:, None] + torch.arange(8)) % 2 * 2.0 - 1
    assert Thumbnail(4)(checkerboard[None, None]).abs().max() == 0


def test_sizes_are_told_apart():
    assert describe_extractor(Thumbnail(8)) != describe_extractor(Thumbnail(16))
    assert of_network(Thumbnail(8)) != of_network(Thumbnail(16))


def test_too_few_pixels_are_refused():
    with pytest.raises(ValueError, match="at least 16 pixels a side"):
        Thumbnail()(torch.zeros(1, 1, 12, 12))
    with pytest.raises(ValueError, match="size must be at least 1"):
        Thumbnail(0)
