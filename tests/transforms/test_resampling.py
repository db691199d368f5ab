"""The matrices against torchvision's crop and resize, and against a blurred impulse."""

import pytest
import torch
from torchvision.transforms.v2 import InterpolationMode
from torchvision.transforms.v2.functional import resized_crop

from monai_minority.transforms.resampling import blur_matrix, crop_matrix


@pytest.mark.parametrize(
    "top, left, height, width, size",
    [(0, 0, 40, 30, 16), (3, 5, 20, 11, 16), (7, 2, 5, 6, 16), (0, 0, 40, 30, 40), (39, 29, 1, 1, 4), (4, 4, 33, 9, 5)],
)
def test_crops_are_those_of_torchvision(top, left, height, width, size):
    images = torch.rand(2, 3, 40, 30, dtype=torch.float64)
    rows = crop_matrix(torch.tensor(float(top)).double(), torch.tensor(float(height)).double(), 40, size)
    columns = crop_matrix(torch.tensor(float(left)).double(), torch.tensor(float(width)).double(), 30, size)
    expected = resized_crop(
        images, top, left, height, width, [size, size], interpolation=InterpolationMode.BICUBIC, antialias=True
    )
    torch.testing.assert_close(rows @ images @ columns.mT, expected, rtol=0, atol=1e-12)


def test_parts_of_pixels_keep_a_ramp_straight():
    """Away from the edges of the crop, cubic convolution reproduces a ramp at every point that was asked for."""
    ramp = torch.arange(50, dtype=torch.float64) + 0.5
    start, length = torch.tensor([10.3, 2.75]).double(), torch.tensor([8.6, 31.1]).double()
    found = crop_matrix(start, length, 50, 16) @ ramp
    expected = start[:, None] + (torch.arange(16) + 0.5) * (length / 16)[:, None]
    torch.testing.assert_close(found[0, 5:-5], expected[0, 5:-5], rtol=0, atol=1e-12)  # enlarging interpolates
    torch.testing.assert_close(found[1, 3:-3], expected[1, 3:-3], rtol=0, atol=0.05)  # shrinking averages


def test_blur_has_the_stated_width():
    matrix = blur_matrix(torch.tensor([0.0, 2.0]).double(), 41)
    assert torch.equal(matrix[0], torch.eye(41, dtype=torch.float64))
    torch.testing.assert_close(matrix.sum(-1), torch.ones(2, 41, dtype=torch.float64))
    places = torch.arange(41, dtype=torch.float64) - 20
    assert (matrix[1, 20] @ places.square()).sqrt().item() == pytest.approx(2.0, abs=1e-6)
