"""What lies outside the mask becomes 0, whoever made the mask."""

import nibabel as nib
import numpy as np
import pytest
import torch
from nilearn.datasets import load_mni152_brain_mask, load_mni152_template

from monai_minority.transforms import LoadVolumed, MaskBraind


def test_a_mask_beside_the_image(tmp_path):
    voxels = np.random.default_rng(0).normal(size=(6, 7, 8)).astype(np.float32)
    mask = np.random.default_rng(1).random((6, 7, 8)) > 0.5
    affine = np.diag([1, 2, 3, 1.0])
    nib.save(nib.Nifti1Image(voxels, affine), tmp_path / "x.nii.gz")
    transform = MaskBraind(mask="masks/{name}_brain.nii.gz")
    with pytest.raises(FileNotFoundError, match="no brain mask under the name") as raised:
        transform(LoadVolumed()({"image": tmp_path / "x.nii.gz"}))
    assert str(tmp_path) not in str(raised.value)
    (tmp_path / "masks").mkdir()
    nib.save(nib.Nifti1Image(mask.astype(np.uint8), affine), tmp_path / "masks/x_brain.nii.gz")
    masked = transform(LoadVolumed()({"image": tmp_path / "x.nii.gz"}))["image"]
    assert np.array_equal(masked[0].numpy(), np.where(mask, voxels, 0)) and torch.equal(
        masked.affine, torch.from_numpy(affine)
    )
    nib.save(nib.Nifti1Image(mask.astype(np.uint8), np.eye(4)), tmp_path / "masks/x_brain.nii.gz")
    with pytest.raises(ValueError, match="another grid"):
        transform(LoadVolumed()({"image": tmp_path / "x.nii.gz"}))
    nib.save(nib.Nifti1Image(np.zeros((6, 7, 8), np.uint8), affine), tmp_path / "masks/x_brain.nii.gz")
    with pytest.raises(ValueError, match="no voxel in the volume"):
        transform(LoadVolumed()({"image": tmp_path / "x.nii.gz"}))


def test_the_template_keeps_the_brain_of_a_volume_in_mni_space(tmp_path):
    template, mask = load_mni152_template(resolution=4), load_mni152_brain_mask(resolution=4)
    ones = nib.Nifti1Image(np.ones(template.shape, np.float32), template.affine)
    to_left = nib.orientations.axcodes2ornt("LAS")
    turn = nib.orientations.ornt_transform(nib.io_orientation(ones.affine), to_left)
    nib.save(ones.as_reoriented(turn), tmp_path / "a.nii.gz")
    masked = MaskBraind()(LoadVolumed()({"image": tmp_path / "a.nii.gz"}))["image"][0].numpy()[::-1]
    brain = np.asarray(nib.as_closest_canonical(mask).dataobj) > 0
    dice = 2 * (brain & (masked > 0)).sum() / (brain.sum() + (masked > 0).sum())
    assert dice > 0.97


def test_a_mask_that_is_neither():
    with pytest.raises(ValueError, match="must be 'template' or a file with {name}"):
        MaskBraind(mask="mask.nii.gz")
