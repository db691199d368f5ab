"""An aligned volume shows the same body at the same place, whatever axes it was stored in."""

import itertools

import nibabel as nib
import numpy as np
import pytest
import torch
from monai.data import MetaTensor

from monai_minority.transforms import AlignToAxesd


def _volume(affine: np.ndarray, shape=(12, 10, 9)) -> MetaTensor:
    """Values that are linear in the world coordinates."""
    grid = np.stack(np.meshgrid(*map(np.arange, shape), indexing="ij"), -1)
    values = (grid @ affine[:3, :3].T + affine[:3, 3]) @ [3.0, 5.0, 7.0]
    return MetaTensor(torch.from_numpy(values).float()[None], affine=torch.from_numpy(affine))


def _rotated(degrees: float) -> np.ndarray:
    angle = np.radians(degrees)
    affine = np.diag([2.0, 1.5, 1.0, 1.0])
    turn = np.array([[np.cos(angle), -np.sin(angle), 0], [np.sin(angle), np.cos(angle), 0], [0, 0, 1]])
    affine[:3, :3] = turn @ affine[:3, :3]
    affine[:3, 3] = (-5, 4, 3)
    return affine


@pytest.mark.parametrize("codes", ["".join(c) for c in itertools.product("RL", "AP", "SI")] + ["PSR", "SAL", "IRP"])
def test_axes_are_reordered_without_resampling(codes):
    shape = (4, 5, 6)
    plain = _volume(np.diag([2.0, 1.5, 1.0, 1.0]), shape)
    orientation = nib.orientations.ornt_transform(
        nib.orientations.axcodes2ornt("RAS"), nib.orientations.axcodes2ornt(codes)
    )
    stored = nib.Nifti1Image(plain[0].numpy(), plain.affine.numpy()).as_reoriented(orientation)
    assert "".join(nib.aff2axcodes(stored.affine)) == codes
    volume = MetaTensor(
        torch.from_numpy(np.asarray(stored.dataobj).copy())[None], affine=torch.from_numpy(stored.affine)
    )
    aligned = AlignToAxesd()({"image": volume})["image"]
    assert torch.equal(aligned.as_tensor(), plain.as_tensor()) and torch.allclose(aligned.affine, plain.affine)


def test_oblique_volumes_are_resampled_in_place():
    volume = _volume(_rotated(20))
    aligned = AlignToAxesd()({"image": volume})["image"]
    affine = aligned.affine.numpy()
    assert np.allclose(affine[:3, :3], np.diag([2, 1.5, 1]))
    wanted = _volume(affine, aligned.shape[1:])
    inside = (aligned - wanted).as_tensor().abs() < 1e-2
    assert inside[0, 4:8, 4:8, 2:7].all() and inside.float().mean() > 0.5
    outside = aligned.as_tensor()[~inside]
    assert outside.min() >= volume.min() - 1e-3


def test_an_aligned_volume_is_aligned_already():
    volume = _volume(_rotated(30), (16, 16, 8))
    volume.set_(torch.rand_like(volume))
    once = AlignToAxesd(spacing=1.0)({"image": volume})["image"]
    again = AlignToAxesd(spacing=1.0)({"image": once})["image"]
    assert once.shape != volume.shape and torch.equal(again.as_tensor(), once.as_tensor())


@pytest.mark.parametrize(("degrees", "resampled"), [(1.0, False), (8.0, True)])
def test_a_tilt_of_less_than_half_a_voxel_is_left(degrees, resampled):
    volume = _volume(_rotated(degrees))
    aligned = AlignToAxesd()({"image": volume})["image"]
    assert (aligned.shape != volume.shape) is resampled
    assert resampled or torch.equal(aligned.as_tensor(), volume.as_tensor())


def test_spacing_is_what_was_asked_for():
    volume = _volume(np.diag([2.0, 1.5, 1.0, 1.0]))
    aligned = AlignToAxesd(spacing=1.0)({"image": volume})["image"]
    assert aligned.shape == (1, 23, 14, 9) and torch.allclose(aligned.affine[:3, :3], torch.eye(3).double())
    assert torch.allclose(
        aligned.as_tensor(), _volume(aligned.affine.numpy(), aligned.shape[1:]).as_tensor(), atol=1e-3
    )
    with pytest.raises(ValueError, match="spacing must be positive, got 0"):
        AlignToAxesd(spacing=0)
