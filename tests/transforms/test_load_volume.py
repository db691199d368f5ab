"""Every kind of NIfTI and DICOM input gives its measured values and the affine it means."""

import re

import nibabel as nib
import numpy as np
import pytest
import torch

from monai_minority.transforms import LoadVolumed
from tests.dicom_files import new_series, write_series

AFFINE = np.array([[0, -1.5, 0, 10], [2.0, 0, 0, -20], [0, 0, 1.0, 5], [0, 0, 0, 1]])
VOXELS = np.random.default_rng(0).integers(-300, 900, (5, 6, 7)).astype(np.int16)


def _load(path, **options):
    volume = LoadVolumed(**options)({"image": str(path)})["image"]
    assert volume.dtype == torch.float32 and volume.shape[0] == 1
    return volume[0].numpy(), volume.affine.numpy()


@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz", "a.hdr", "a.img", "a.NII.GZ"])
def test_all_files_of_nifti(tmp_path, name):
    kind = nib.Nifti1Image if "nii" in name.lower() else nib.Nifti1Pair
    nib.save(kind(VOXELS, AFFINE), tmp_path / name)
    voxels, affine = _load(tmp_path / name)
    assert np.array_equal(voxels, VOXELS) and np.allclose(affine, AFFINE)


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, ">i2", np.float64])
def test_scaled_numbers_are_measured_values(tmp_path, dtype):
    image = nib.Nifti1Image(VOXELS.clip(0, 255).astype(dtype), AFFINE)
    image.header.set_slope_inter(0.5, -3)
    raw = np.asarray(image.dataobj)
    nib.save(image, tmp_path / "a.nii")
    content = bytearray((tmp_path / "a.nii").read_bytes())
    order = ">" if image.header.endianness == ">" else "<"
    content[112:120] = np.array([0.5, -3], dtype=f"{order}f4").tobytes()
    content[352:] = raw.astype(image.header.get_data_dtype()).tobytes(order="F")
    (tmp_path / "a.nii").write_bytes(content)
    assert np.allclose(_load(tmp_path / "a.nii")[0], raw.astype(float) * 0.5 - 3)


def test_one_volume_of_a_series(tmp_path):
    nib.save(nib.Nifti1Image(np.stack([VOXELS, VOXELS + 1], -1), AFFINE), tmp_path / "a.nii.gz")
    assert np.array_equal(_load(tmp_path / "a.nii.gz", volume_index=1)[0], VOXELS + 1)
    with pytest.raises(ValueError, match="a series of 2 volumes; choose one with volume_index"):
        _load(tmp_path / "a.nii.gz")
    with pytest.raises(ValueError, match="volume_index is 2, but the series has 2 volumes"):
        _load(tmp_path / "a.nii.gz", volume_index=2)
    nib.save(nib.Nifti1Image(VOXELS[..., None, None], AFFINE), tmp_path / "one.nii")
    assert np.array_equal(_load(tmp_path / "one.nii")[0], VOXELS)


def test_sform_and_qform_that_disagree(tmp_path):
    image = nib.Nifti1Image(VOXELS, AFFINE)
    shifted, mirrored = AFFINE.copy(), AFFINE.copy()
    shifted[:3, 3] += 9
    mirrored[:, 0] *= -1
    for name, qform in (("shifted", shifted), ("mirrored", mirrored)):
        image.set_sform(AFFINE, 1)
        image.set_qform(qform, 1)
        nib.save(image, tmp_path / f"{name}.nii")
    assert np.allclose(_load(tmp_path / "shifted.nii")[1], AFFINE)
    assert np.allclose(_load(tmp_path / "shifted.nii", form="qform")[1], shifted, atol=1e-5)
    message = re.escape("sform and qform name different directions (ALS, PLS); choose one with nifti_form")
    with pytest.raises(ValueError, match=message):
        _load(tmp_path / "mirrored.nii")
    assert np.allclose(_load(tmp_path / "mirrored.nii", form="sform")[1], AFFINE)
    image.set_qform(None, 0)
    nib.save(image, tmp_path / "no.nii")
    with pytest.raises(ValueError, match="form is qform, but the header has no qform"):
        _load(tmp_path / "no.nii", form="qform")


def test_other_units_become_millimetres(tmp_path):
    image = nib.Nifti1Image(VOXELS, np.diag([1000.0, 1500, 2000, 1]))
    image.header.set_xyzt_units("micron")
    nib.save(image, tmp_path / "a.nii")
    assert np.allclose(_load(tmp_path / "a.nii")[1], np.diag([1, 1.5, 2, 1]))


def test_an_analyze_file_is_refused(tmp_path):
    nib.save(nib.AnalyzeImage(VOXELS, np.eye(4)), tmp_path / "a.img")
    with pytest.raises(ValueError, match="does not say left from right"):
        _load(tmp_path / "a.hdr")


def test_a_folder_or_a_file_stands_for_its_dicom_series(tmp_path):
    files = write_series(tmp_path / "in")
    whole, affine = _load(tmp_path / "in")
    again, same = _load(files[4])
    assert whole.shape == (40, 32, 12) and np.array_equal(whole, again) and np.array_equal(affine, same)
    write_series(tmp_path / "in", new_series(), name="second{}")
    assert np.array_equal(_load(files[4])[0], whole)
    with pytest.raises(ValueError, match="the folder must hold one usable DICOM series, got 2"):
        _load(tmp_path / "in")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"volume_index": -1}, "volume_index must not be negative, got -1"),
        ({"form": "both"}, "form must be one of sform, qform"),
    ],
)
def test_impossible_options_raise(options, message):
    with pytest.raises(ValueError, match=message):
        LoadVolumed(**options)
