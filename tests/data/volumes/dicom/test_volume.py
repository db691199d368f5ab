"""Voxels and affine are what the scanner measured, whatever way the series was stored."""

import shutil
import subprocess
from pathlib import Path

import nibabel as nib
import numpy as np
import pydicom
import pytest
from pydicom.data import get_testdata_file
from pydicom.uid import DeflatedExplicitVRLittleEndian, ImplicitVRLittleEndian, JPEG2000Lossless, RLELossless

from monai_minority.data import read_dicom_volume
from tests.dicom_files import (
    AXIAL,
    COLUMNS,
    OBLIQUE,
    ROWS,
    SAGITTAL,
    SLICES,
    new_series,
    value_at,
    write_enhanced,
    write_series,
)


def _expected(voxels: np.ndarray, affine: np.ndarray) -> np.ndarray:
    grid = np.stack(np.meshgrid(*map(np.arange, voxels.shape), indexing="ij"), -1)
    return value_at(grid @ affine[:3, :3].T + affine[:3, 3])


@pytest.mark.parametrize("directions", [AXIAL, SAGITTAL, OBLIQUE])
def test_every_voxel_lies_where_the_affine_says(tmp_path, directions):
    files = write_series(tmp_path, directions=directions)
    voxels, affine = read_dicom_volume(sorted(files))
    assert voxels.shape == (COLUMNS, ROWS, SLICES) and voxels.dtype == np.float32
    assert np.abs(voxels - _expected(voxels, affine)).max() <= 0.5 + 1e-3  # stored values are rounded
    assert np.allclose(np.linalg.norm(affine[:3, :3], axis=0), (1.25, 1.5, 2.0))
    again, same = read_dicom_volume(files[::-1])
    assert np.array_equal(again, voxels) and np.array_equal(same, affine)


@pytest.mark.parametrize(
    "syntax", [ImplicitVRLittleEndian, DeflatedExplicitVRLittleEndian, RLELossless, JPEG2000Lossless]
)
def test_transfer_syntaxes_give_the_same_volume(tmp_path, syntax):
    plain, affine = read_dicom_volume(write_series(tmp_path / "plain"))
    voxels, same = read_dicom_volume(write_series(tmp_path / "coded", syntax=syntax))
    assert np.array_equal(voxels, plain) and np.array_equal(same, affine)


@pytest.mark.parametrize("name", ["RLE", "bigendian", "expb", "implicit", "jp2klossless", "jpeg_ls_lossless", "padded"])
def test_pydicoms_own_files_decode_alike(name):
    plain, affine = read_dicom_volume([get_testdata_file("MR_small.dcm", download=False)])
    voxels, same = read_dicom_volume([get_testdata_file(f"MR_small_{name}.dcm", download=False)])
    assert np.array_equal(voxels, plain) and np.allclose(same, affine)
    dataset = pydicom.dcmread(get_testdata_file("MR_small.dcm", download=False))
    assert np.array_equal(plain[..., 0].T, dataset.pixel_array)
    assert np.allclose(affine[:3, 3], np.array(dataset.ImagePositionPatient, dtype=float) * [-1, -1, 1])


def test_signed_pixels_with_slope_and_intercept_are_measured_values(tmp_path):
    files = write_series(tmp_path, new_series(PixelRepresentation=1), slope=0.25, intercept=900)
    voxels, affine = read_dicom_volume(files)
    assert np.abs(voxels - _expected(voxels, affine)).max() <= 0.125 + 1e-3
    assert pydicom.dcmread(files[0]).pixel_array.min() < 0


def test_low_values_that_are_white_are_turned_around(tmp_path):
    plain, _ = read_dicom_volume(write_series(tmp_path / "2"))
    turned, _ = read_dicom_volume(write_series(tmp_path / "1", new_series(PhotometricInterpretation="MONOCHROME1")))
    assert np.array_equal(turned, plain.max() + plain.min() - plain)


def test_a_multi_frame_file_equals_its_slices(tmp_path):
    voxels, affine = read_dicom_volume([write_enhanced(tmp_path / "e.dcm", directions=OBLIQUE)])
    plain, same = read_dicom_volume(write_series(tmp_path / "classic", directions=OBLIQUE))
    assert voxels.shape == plain.shape and np.allclose(affine, same)
    assert np.abs(voxels - plain).max() <= 1.0 and np.abs(voxels - _expected(voxels, affine)).max() <= 0.375 + 1e-3


def test_uneven_gaps_are_interpolated(tmp_path):
    offsets = np.array([0, 2, 4, 6.5, 8, 10, 12, 14, 15.5, 18, 20, 22])
    voxels, affine = read_dicom_volume(write_series(tmp_path, offsets=offsets))
    assert voxels.shape == (COLUMNS, ROWS, 12) and np.isclose(affine[2, 2], 2)
    assert np.abs(voxels - _expected(voxels, affine)).max() <= 0.5 + 1e-3


def test_a_gantry_tilt_becomes_a_shear(tmp_path):
    base = new_series()
    for number, offset in enumerate(np.arange(SLICES)):
        file = write_series(tmp_path / str(number), base, offsets=[2.0 * offset])[0]
        dataset = pydicom.dcmread(file)
        dataset.ImagePositionPatient[1] += 0.5 * offset
        dataset.InstanceNumber = number
        dataset.save_as(file)
    _, affine = read_dicom_volume(sorted(tmp_path.rglob("IM*")))
    assert np.allclose(affine[:3, 2], (0, -0.5, 2))


def test_one_of_several_volumes_is_chosen(tmp_path):
    base = new_series()
    for echo, slope in ((20.0, 0.5), (5.0, 2.0)):  # the later file has the earlier echo
        base.EchoTime = echo
        write_series(tmp_path / str(echo), base, slope=slope, first_number=1 if echo == 20 else 13)
    files = sorted(tmp_path.rglob("IM*"))
    with pytest.raises(ValueError, match="4-D, a series of 2 volumes; choose one with volume_index"):
        read_dicom_volume(files)
    for index, rounding in ((0, 1.0), (1, 0.25)):
        voxels, affine = read_dicom_volume(files, volume_index=index)
        error = np.abs(voxels - _expected(voxels, affine)).max()
        assert rounding / 2 < error <= rounding + 1e-3
    with pytest.raises(ValueError, match="volume_index is 2, but the series has 2 volumes"):
        read_dicom_volume(files, volume_index=2)


def test_a_volume_that_is_too_large_is_not_read(tmp_path):
    with pytest.raises(ValueError, match="a volume of 40 x 32 x 12 voxels exceeds the 50000 bytes allowed"):
        read_dicom_volume(write_series(tmp_path), max_bytes=50000)
    with pytest.raises(ValueError, match="the series has more than the 20000 bytes of pixels allowed"):
        read_dicom_volume(sorted(tmp_path.iterdir()), max_bytes=20000)
    with pytest.raises(ValueError, match="bytes, more than the 1000 allowed; raise max_volume_gib"):
        read_dicom_volume(sorted(tmp_path.iterdir()), max_bytes=1000)


# dcm2niix 1.0.20220720 on the same files, in RAS order: shape, sum of the voxels, largest voxel, affine.
RECORDED = {
    "dicom_t1_sagittal": (
        (192, 256, 256),
        868503335,
        713,
        [
            [0.898545, 0.046221, 0.015566, -92.633774],
            [-0.050968, 0.829308, 0.220011, -155.339203],
            [-0.003339, -0.220538, 0.830589, -59.173798],
        ],
    ),
    "dicom_study/11-T1post-18670": (
        (280, 320, 22),
        601532147,
        2040,
        [
            [0.6875, 0.0, -0.001672, -94.634306],
            [-3.3e-05, 0.675324, -1.217915, -132.245548],
            [0.000174, 0.128818, 6.384876, -52.563745],
        ],
    ),
    "dicom_study/11_HCropVolume": (
        (34, 50, 40),
        4453961,
        194,
        [
            [1.0, 0.0, 0.0, -33.0],
            [0.0, 1.0, 0.0, -49.0],
            [0.0, 0.0, 1.0, 1.0],
        ],
    ),
    "dicom_study/36468-FLAIRreg-58706": (
        (280, 320, 22),
        478118949,
        1436,
        [
            [0.6875, 0.0, -0.001672, -94.634306],
            [-3.3e-05, 0.675324, -1.217915, -132.245548],
            [0.000174, 0.128818, 6.384876, -52.563745],
        ],
    ),
}


def _ras(voxels: np.ndarray, affine: np.ndarray) -> nib.Nifti1Image:
    return nib.as_closest_canonical(nib.Nifti1Image(voxels, affine))


@pytest.mark.data
@pytest.mark.parametrize("name", RECORDED)
def test_real_series_equal_what_dcm2niix_made_of_them(data_dir, name):
    shape, total, largest, affine = RECORDED[name]
    found = _ras(*read_dicom_volume(sorted((data_dir / name).iterdir())))
    voxels = np.asarray(found.dataobj)
    assert voxels.shape == shape
    assert voxels.sum(dtype=np.float64) == total and voxels.max() == largest
    assert np.allclose(found.affine[:3], affine, atol=1e-4)  # dcm2niix keeps float32


def _dcm2niix(folder: Path, out: Path) -> nib.Nifti1Image:
    program = shutil.which("dcm2niix")
    if not program:
        pytest.skip("dcm2niix is not installed (Debian: apt-get install dcm2niix)")
    out.mkdir()
    subprocess.run(
        [program, "-z", "n", "-b", "n", "-f", "v", "-o", str(out), str(folder)], check=True, capture_output=True
    )
    return nib.as_closest_canonical(nib.load(next(out.glob("*.nii"))))


@pytest.mark.data
@pytest.mark.parametrize("name", RECORDED)
def test_real_series_equal_dcm2niix(data_dir, tmp_path, name):
    wanted = _dcm2niix(data_dir / name, tmp_path / "out")
    found = _ras(*read_dicom_volume(sorted((data_dir / name).iterdir())))
    assert np.array_equal(np.asarray(found.dataobj), wanted.get_fdata(dtype=np.float32))
    assert np.allclose(found.affine, wanted.affine, atol=1e-4)


@pytest.mark.parametrize("kind", ["signed", "oblique", "jpeg2000", "enhanced"])
def test_made_series_equal_dcm2niix(tmp_path, kind):
    if kind == "enhanced":
        write_enhanced(tmp_path / "in/e.dcm", slopes=(0.5, 0.5))  # dcm2niix takes the first frame's for all
    else:
        base = new_series(PixelRepresentation=1 if kind == "signed" else 0)
        syntax = JPEG2000Lossless if kind == "jpeg2000" else ImplicitVRLittleEndian
        slope = (0.25, 900.0) if kind == "signed" else (1.0, 0.0)
        directions = OBLIQUE if kind == "oblique" else AXIAL
        write_series(tmp_path / "in", base, directions, syntax=syntax, slope=slope[0], intercept=slope[1])
    wanted = _dcm2niix(tmp_path / "in", tmp_path / "out")
    found = _ras(*read_dicom_volume(sorted((tmp_path / "in").iterdir())))
    assert np.allclose(np.asarray(found.dataobj), wanted.get_fdata(dtype=np.float32), atol=1e-3)
    assert np.allclose(found.affine, wanted.affine, atol=1e-4)
