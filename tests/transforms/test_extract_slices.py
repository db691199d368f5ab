"""Slices come from the planned place, upright, whatever the orientation of the file."""

import nibabel as nib
import numpy as np
import pytest
import torch
from monai.data import MetaTensor
from monai.transforms import Compose, LoadImaged, Orientationd

from monai_minority.transforms import ExtractSlicesd

SHAPE = (6, 8, 10)


def _anatomy() -> np.ndarray:
    """RAS volume whose voxels encode their place: 100 x + 10 y + z."""
    x, y, z = np.meshgrid(*map(np.arange, SHAPE), indexing="ij")
    return (100 * x + 10 * y + z).astype(np.float32)


def _volume(array: np.ndarray | None = None, affine: np.ndarray | None = None) -> dict:
    array = _anatomy() if array is None else array
    affine = np.eye(4) if affine is None else affine
    return {
        "image": MetaTensor(torch.from_numpy(array)[None], affine=torch.from_numpy(affine)),
        "subject": "s",
    }


def _expected(axis: str, index: int) -> np.ndarray:
    """Written out by the display rule: row 0 is anterior or superior, column 0 the patient's right or the front."""
    volume = _anatomy()
    nx, ny, nz = SHAPE
    if axis == "axial":
        return np.array([[volume[x, y, index] for x in reversed(range(nx))] for y in reversed(range(ny))])
    if axis == "coronal":
        return np.array([[volume[x, index, z] for x in reversed(range(nx))] for z in reversed(range(nz))])
    return np.array([[volume[index, y, z] for y in reversed(range(ny))] for z in reversed(range(nz))])


@pytest.mark.parametrize("codes", ["RAS", "LPS", "PIR", "ASL", "SRP"])
@pytest.mark.parametrize("axis", ["axial", "coronal", "sagittal"])
def test_slices_are_upright_from_any_file_orientation(tmp_path, codes, axis):
    start = nib.orientations.axcodes2ornt("RAS")
    turn = nib.orientations.ornt_transform(start, nib.orientations.axcodes2ornt(codes))
    image = nib.Nifti1Image(_anatomy(), np.eye(4)).as_reoriented(turn)
    assert "".join(nib.aff2axcodes(image.affine)) == codes
    nib.save(image, tmp_path / "v.nii")
    load = Compose([LoadImaged("image", ensure_channel_first=True), Orientationd("image", axcodes="RAS")])
    items = ExtractSlicesd("image", axis, [2, 4], "index")(load({"image": str(tmp_path / "v.nii")}))
    for item, index in zip(items, (2, 4), strict=True):
        assert np.array_equal(item["image"][0].numpy(), _expected(axis, index))
        assert (item["slice"], item["position"]) == (index, index)


def test_millimetres_are_world_coordinates():
    affine = np.diag([1.0, 1.0, 2.0, 1.0])
    affine[:3, 3] = [-3, -4, -50]
    items = ExtractSlicesd("image", "axial", [-50, -40.9, -32], "mm")(_volume(affine=affine))
    assert [item["slice"] for item in items] == [0, 5, 9]  # z = -50 + 2 k; -40.9 is nearest to k = 5
    assert items[0]["subject"] == "s" and type(items[0]["image"]) is torch.Tensor


def test_millimetres_of_a_tilted_volume_count_at_the_middle_of_the_slice():
    tilt = np.deg2rad(10)
    affine = np.eye(4)
    affine[1:3, 1:3] = [[np.cos(tilt), -np.sin(tilt)], [np.sin(tilt), np.cos(tilt)]]
    middle = affine @ [2.5, 3.5, 6, 1]
    (item,) = ExtractSlicesd("image", "axial", [middle[2]], "mm")(_volume(affine=affine))
    assert item["slice"] == 6


def test_fractions_are_of_the_head():
    head = np.zeros(SHAPE, dtype=np.float32)
    head[1:5, 1:7, 3:8] = 100
    head[0, 0, 9] = 0.5  # noise below Otsu's threshold
    cut = ExtractSlicesd("image", "axial", [0, 0.5, 1], "fraction")
    assert [item["slice"] for item in cut(_volume(head))] == [3, 5, 7]
    whole = ExtractSlicesd("image", "axial", [0, 1], "fraction", extent="volume")
    assert [item["slice"] for item in whole(_volume(head))] == [0, 9]


def test_pixels_become_square():
    affine = np.diag([1.0, 2.0, 1.0, 1.0])
    array = np.broadcast_to(np.arange(8, dtype=np.float32)[None, :, None], SHAPE).copy()  # a ramp from back to front
    (item,) = ExtractSlicesd("image", "axial", [5], "index")(_volume(array, affine))
    image = item["image"][0]
    assert image.shape == (16, 6)
    # Linear interpolation of a ramp at half-pixel centres, front on top.
    assert torch.allclose(image[1:-1, 0], torch.arange(6.75, 0, -0.5)[:14], atol=1e-5)
    (coarse,) = ExtractSlicesd("image", "axial", [5], "index", pixel_spacing=2.0)(_volume(array, affine))
    assert coarse["image"].shape == (1, 8, 3)


@pytest.mark.parametrize(
    ("positions", "unit", "message"),
    [
        ([3, 10], "index", r"too small.*10 axial slices.*position\(s\) 10 \(index\)"),
        ([-80.0], "mm", r"too small.*position\(s\) -80 \(mm\)"),
        (np.linspace(0, 1, 25).tolist(), "fraction", "too small.*25 positions fall on 10"),
    ],
)
def test_too_small_volumes_say_so(positions, unit, message):
    with pytest.raises(ValueError, match=message):
        ExtractSlicesd("image", "axial", positions, unit, extent="volume")(_volume())


def test_wrong_orientation_and_options_raise():
    with pytest.raises(ValueError, match="must be in RAS orientation, got LAS"):
        ExtractSlicesd("image")(_volume(affine=np.diag([-1.0, 1, 1, 1])))
    with pytest.raises(ValueError, match="with its affine"):
        ExtractSlicesd("image")({"image": torch.zeros(1, 4, 4, 4)})
    for options, message in [
        ({"axis": "oblique"}, "axis must be one of"),
        ({"unit": "cm"}, "unit must be one of"),
        ({"positions": []}, "at least one"),
        ({"positions": [30]}, "fractions from 0 to 1"),
        ({"positions": [-1], "unit": "index"}, "whole numbers"),
        ({"pixel_spacing": 0.0}, "pixel_spacing must be positive"),
    ]:
        with pytest.raises(ValueError, match=message):
            ExtractSlicesd("image", **options)
