"""Resizing equal to clean-fid's record."""

import numpy as np
import pytest
import torch

from monai_minority.evaluation.fidelity import CleanResize


def test_equals_the_record(fixtures_dir):
    entry = torch.load(fixtures_dir / "frechet.pt", weights_only=True)["resize/64x64"]
    resize = CleanResize((entry["height"], entry["width"]))
    np.testing.assert_array_equal(resize(entry["x"].numpy()), entry["out"].numpy())
    as_tensor = resize.tensor(entry["x"].permute(0, 3, 1, 2))
    assert torch.equal(as_tensor, entry["out"].permute(0, 3, 1, 2))


def test_height_and_width_are_not_swapped():
    assert CleanResize((6, 4))(np.zeros((1, 10, 10, 3))).shape == (1, 6, 4, 3)
    assert CleanResize((6, 4)).name == "clean-fid bicubic 6x4"
    with pytest.raises(ValueError, match=r"\(1, 3, 8, 8\)"):
        CleanResize(4)(np.zeros((1, 3, 8, 8)))
