"""MGH, NRRD and MetaImage volumes give the voxels and the position that NIfTI gives."""

import os

import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk

from monai_minority.keys import SYNTHETIC_NOTE
from monai_minority.transforms import LoadVolumed

AFFINE = np.array([[0, -1.5, 0, 20], [-1.25, 0, 0, 30], [0, 0, 2.0, -15], [0, 0, 0, 1.0]])


@pytest.fixture
def voxels():
    return np.random.default_rng(0).integers(0, 900, (9, 8, 7)).astype(np.int16)


def _itk(path, voxels):
    """Written by SimpleITK from a NIfTI file, so that the position is ITK's own reading of it."""
    nib.save(nib.Nifti1Image(voxels, AFFINE), path.parent / "same.nii.gz")
    image = sitk.ReadImage(str(path.parent / "same.nii.gz"))
    sitk.WriteImage(image, str(path), useCompression=True)


@pytest.mark.parametrize("name", ["a.mgz", "a.mgh", "a.nrrd", "a.nhdr", "a.mha", "a.MHD"])
def test_every_format_gives_what_nifti_gives(tmp_path, voxels, name):
    path = tmp_path / name
    if name.startswith("a.mg"):
        nib.save(nib.MGHImage(voxels, AFFINE), path)
    else:
        _itk(tmp_path / name.lower(), voxels)
        (tmp_path / name.lower()).rename(path)
    volume = LoadVolumed()({"image": path})["image"]
    np.testing.assert_array_equal(volume.numpy()[0], voxels)
    np.testing.assert_allclose(volume.affine.numpy(), AFFINE, atol=1e-5)


def test_a_series_needs_a_choice(tmp_path, voxels):
    series = np.stack([voxels, voxels + 1], -1)
    nib.save(nib.MGHImage(series, AFFINE), tmp_path / "a.mgz")
    nib.save(nib.Nifti1Image(series, AFFINE), tmp_path / "a.nii")
    sitk.WriteImage(sitk.ReadImage(str(tmp_path / "a.nii")), str(tmp_path / "a.nrrd"))
    vector = sitk.Compose([sitk.GetImageFromArray(series[..., n].T.copy()) for n in range(2)])
    sitk.WriteImage(vector, str(tmp_path / "a.mha"))
    for name in ("a.mgz", "a.nrrd", "a.mha"):
        with pytest.raises(ValueError, match="a series of 2 volumes; choose one with volume_index"):
            LoadVolumed()({"image": tmp_path / name})
        second = LoadVolumed(volume_index=1)({"image": tmp_path / name})["image"]
        np.testing.assert_array_equal(second.numpy()[0], voxels + 1)


BAD = {
    "cut.mgh": (lambda raw: raw[:600], "bytes cannot hold them"),
    "cut.mgz": (lambda raw: raw[:-200], "truncated or its compressed data is damaged|is no MGH volume"),
    "text.mgz": (lambda raw: b"hello", "damaged, or is no MGH volume"),
    "cut.nrrd": (lambda raw: raw[:-300], "truncated or damaged"),
    "text.mha": (lambda raw: b"hello", "the header is damaged"),
    "huge.mha": (lambda raw: raw.replace(b"DimSize = 9 8 7", b"DimSize = 9000 9000 9000"), "bytes cannot hold them"),
}


@pytest.mark.parametrize("name", BAD)
def test_damaged_files_say_so(tmp_path, voxels, name):
    spoil, message = BAD[name]
    path = tmp_path / name
    if name.endswith(("mgz", "mgh")):
        nib.save(nib.MGHImage(voxels, AFFINE), path)
    else:
        _itk(path, voxels)
    path.write_bytes(spoil(path.read_bytes()))
    with pytest.raises(ValueError, match=message) as caught:
        LoadVolumed()({"image": path})
    assert str(tmp_path) not in str(caught.value), "a path may identify"


@pytest.mark.parametrize("ending", ["mhd", "nhdr"])
@pytest.mark.parametrize(
    "named, reason",
    [
        ("pipe.raw", "a named pipe"),
        ("/dev/zero", "is not beside it"),
        ("../secret.raw", "is not beside it"),
        ("lost.raw", "does not exist"),
        ("a%d.raw 1 7 1", "does not exist"),
        ("LIST", "does not exist"),
    ],
)
def test_a_header_reads_no_other_file_of_the_machine(tmp_path, voxels, ending, named, reason):
    (tmp_path / "in").mkdir()
    (tmp_path / "secret.raw").write_bytes(voxels.tobytes())
    os.mkfifo(tmp_path / "in/pipe.raw")
    image = sitk.GetImageFromArray(voxels)
    path = tmp_path / "in" / f"a.{ending}"
    sitk.WriteImage(image, str(path))
    (own,) = (file.name for file in path.parent.glob("a.*raw*"))
    np.testing.assert_array_equal(LoadVolumed()({"image": path})["image"].numpy()[0], voxels.T)
    path.write_text(path.read_text().replace(own, named))
    with pytest.raises(ValueError, match=reason):
        LoadVolumed()({"image": path})


def test_the_mark_of_generated_images_stays_in_a_nrrd(tmp_path, voxels):
    image = nib.Nifti1Image(voxels, AFFINE)
    image.header["descrip"] = SYNTHETIC_NOTE
    nib.save(image, tmp_path / "a.nii.gz")
    sitk.WriteImage(sitk.ReadImage(str(tmp_path / "a.nii.gz")), str(tmp_path / "a.nrrd"))
    with pytest.raises(ValueError, match="marked as synthetic"):
        LoadVolumed()({"image": tmp_path / "a.nrrd"})
