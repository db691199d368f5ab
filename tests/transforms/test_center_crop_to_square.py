"""The middle square, as the published models' loader makes it."""

import numpy as np
import pytest
import torch
from PIL import Image

from monai_minority.transforms import CenterCropToSquared


def _crop(image, size):
    return CenterCropToSquared("image", size)({"image": image, "kept": 1})["image"]


def test_a_picture_of_the_size_is_untouched():
    image = torch.randint(0, 256, (3, 8, 8)).float()
    assert _crop(image, 8) is image


def test_halving_is_the_mean_of_four_pixels():
    image = 2 * torch.randint(0, 128, (3, 8, 8)).float()
    means = image.unfold(1, 2, 2).unfold(2, 2, 2).mean(dim=(3, 4))
    assert (_crop(image, 4) - means).abs().max() <= 0.5, "rounded to 8 bits"


def test_the_middle_of_the_longer_side_is_kept():
    columns = torch.arange(12.0).expand(1, 8, 12)
    assert _crop(columns, 8)[0, 0].tolist() == list(range(2, 10))
    rows = torch.arange(13.0)[:, None].expand(3, 13, 8)
    assert _crop(rows, 8)[2, :, 0].tolist() == list(range(2, 10))


def test_celebas_size_goes_through_one_halving_and_one_bicubic_step():
    pixels = np.random.default_rng(0).integers(0, 256, (218, 178, 3), dtype=np.uint8)
    halved = Image.fromarray(pixels).resize((89, 109), Image.Resampling.BOX)
    expected = np.asarray(halved.resize((64, 78), Image.Resampling.BICUBIC))[7:71]
    found = _crop(torch.from_numpy(pixels).permute(2, 0, 1).float(), 64)
    assert found.dtype == torch.float32
    assert np.array_equal(found.permute(1, 2, 0), expected)


def test_small_pictures_grow_and_a_constant_stays_constant():
    assert (_crop(torch.full((1, 5, 9), 77.0), 16) == 77).all()


def test_errors():
    with pytest.raises(ValueError, match="size must be at least 1"):
        CenterCropToSquared("image", 0)
    with pytest.raises(ValueError, match=r"1 or 3 channels, got shape \[2, 4, 4\]"):
        _crop(torch.zeros(2, 4, 4), 2)
    for bad in (torch.full((1, 4, 4), 0.5), torch.full((1, 4, 4), -1.0), torch.full((1, 4, 4), torch.nan)):
        with pytest.raises(ValueError, match="whole numbers from 0 to 255"):
            _crop(bad, 2)
