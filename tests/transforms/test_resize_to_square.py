"""Squares without distortion and without a frame."""

import pytest
import torch

from monai_minority.transforms import ResizeToSquared


def _resize(image: torch.Tensor, size: int) -> torch.Tensor:
    return ResizeToSquared("image", size)({"image": image})["image"]


def test_padding_is_centred_and_black():
    image = torch.rand(1, 3, 6)
    result = _resize(image, 6)
    assert torch.equal(result[:, 1:4], image)
    assert (result[:, [0, 4, 5]] == -1).all()


def test_the_right_size_is_untouched():
    image = torch.randn(3, 8, 8)
    assert torch.equal(_resize(image, 8), image)


def test_a_constant_image_stays_constant_to_its_edge():
    assert torch.allclose(_resize(torch.full((1, 50, 50), -1.0), 16), torch.tensor(-1.0), atol=1e-6)


def test_halving_is_the_triangle_filter():
    # Anti-aliased bilinear halving weighs four neighbours 1, 3, 3, 1 of 8.
    row = torch.randn(12)
    result = _resize(row.expand(1, 12, 12), 6)
    expected = (row[1:9:2] + 3 * row[2:10:2] + 3 * row[3:11:2] + row[4:12:2]) / 8
    assert torch.allclose(result[0, 2, 1:5], expected, atol=1e-6)


def test_wrong_input_raises():
    with pytest.raises(ValueError, match="at least 1 pixel"):
        ResizeToSquared("image", 0)
    with pytest.raises(ValueError, match=r"\[C, H, W\]"):
        _resize(torch.zeros(4, 4), 2)
