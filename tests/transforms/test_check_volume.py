"""Only sound volumes pass."""

import numpy as np
import pytest
import torch
from monai.data import MetaTensor

from monai_minority.transforms import CheckVolumed


def _volume(values: torch.Tensor, affine: np.ndarray) -> dict:
    return {"image": MetaTensor(values, affine=torch.from_numpy(affine))}


def _affine(**entries: float) -> np.ndarray:
    affine = np.eye(4)
    for name, value in entries.items():
        affine[int(name[1]), int(name[2])] = value
    return affine


def test_sound_volumes_pass_unchanged():
    values = torch.randn(1, 3, 4, 5)
    result = CheckVolumed("image")(_volume(values, _affine(a00=0.5, a11=-3)))["image"]
    assert torch.equal(result.as_tensor(), values)


@pytest.mark.parametrize(
    ("values", "affine", "message"),
    [
        (torch.randn(1, 3, 4), _affine(), "must have 3 dimensions, but the image has 2"),
        (torch.randn(7, 3, 4, 5), _affine(), "4-D, a series of 7 volumes; choose one with volume_index"),
        (
            torch.randn(1, 3, 4, 5).masked_fill_(torch.arange(5) == 2, torch.nan),
            _affine(),
            "12 of 60 voxels are NaN",
        ),
        (torch.full((1, 3, 4, 5), 3.0), _affine(), r"same value \(3\)"),
        (torch.randn(1, 3, 4, 5), _affine(a03=np.nan), "affine has NaN"),
        (torch.randn(1, 3, 4, 5), _affine(a22=0), "spacing 1 x 1 x 0 mm is outside 0.05 to 20 mm"),
        (torch.randn(1, 3, 4, 5), _affine(a00=1000), "spacing 1000 x 1 x 1 mm"),
        (torch.randn(1, 3, 4, 5), _affine(a00=0, a10=1), "affine is singular"),
    ],
)
def test_unsound_volumes_raise(values, affine, message):
    with pytest.raises(ValueError, match=message):
        CheckVolumed("image")(_volume(values, affine))
