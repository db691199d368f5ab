"""Each slice to its own range."""

import numpy as np
import pytest
import torch

from monai_minority.transforms import SliceIntensityd


def test_own_minimum_and_maximum_become_the_ends():
    image = torch.tensor([[[3.0, 7.0], [11.0, 5.0]]])
    result = SliceIntensityd("image")({"image": image, "other": 1})
    assert result["image"].tolist() == [[[-1.0, 0.0], [1.0, -0.5]]] and result["other"] == 1
    assert image[0, 0, 0] == 3  # the input is left alone


@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e6])
def test_scale_and_offset_do_not_matter(scale):
    image = torch.randn(1, 20, 20, dtype=torch.float64)
    a = SliceIntensityd("image")({"image": image.float()})["image"]
    b = SliceIntensityd("image")({"image": (image * scale + 3 * scale).float()})["image"]
    assert (a - b).abs().max() < 2e-6 and (b.min(), b.max()) == (-1, 1)


def test_percentiles_clamp_outliers():
    image = torch.arange(101.0).reshape(1, 1, 101)
    result = SliceIntensityd("image", lower=10, upper=90)({"image": image})["image"].flatten().numpy()
    assert np.allclose(result, np.clip((np.arange(101) - 10) / 40 - 1, -1, 1), atol=1e-6)


def test_channels_share_one_range():
    image = torch.stack([torch.zeros(2, 2), torch.full((2, 2), 4.0), torch.full((2, 2), 2.0)])
    result = SliceIntensityd("image")({"image": image})["image"]
    assert result[:, 0, 0].tolist() == [-1, 1, 0]


def test_unfit_slices_are_named():
    with pytest.raises(ValueError, match=r"slice 7 is constant \(2\)"):
        SliceIntensityd("image")({"image": torch.full((1, 3, 3), 2.0), "slice": 7})
    with pytest.raises(ValueError, match="the image has NaN"):
        SliceIntensityd("image")({"image": torch.tensor([[[1.0, float("nan")]]])})
    with pytest.raises(ValueError, match="0 <= lower < upper <= 100"):
        SliceIntensityd("image", lower=50, upper=50)
