"""Values that are not written as the standard says, files without a meta header, and bombs."""

import os
import struct
import zlib
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import DeflatedExplicitVRLittleEndian, RLELossless

from monai_minority.data import find_cohort, read_dicom_volume
from monai_minority.data.volumes.dicom.header import DicomHeader
from monai_minority.data.volumes.dicom.values import as_number
from tests.dicom_files import new_series, planes, write, write_series
from tests.peak_memory import peak_below


def _rewritten(files: list[Path], change) -> list[Path]:
    for path in files:
        dataset = pydicom.dcmread(path)
        change(dataset)
        dataset.save_as(path)
    return files


def _retyped(name: str, vr: str, separator: str = "\\", mark: str = "."):
    def change(dataset: Dataset) -> None:
        values = np.atleast_1d(dataset[name].value).tolist()
        text = separator.join(str(value).replace(".", mark) for value in values)
        dataset[name] = pydicom.DataElement(name, vr, text.encode() if vr in ("UN", "OB") else text)

    return change


@pytest.mark.parametrize("vr", ["UT", "LT", "ST", "LO", "UN", "OB"])
@pytest.mark.parametrize(
    "name", ["PixelSpacing", "ImagePositionPatient", "ImageOrientationPatient", "Rows", "BitsStored"]
)
def test_numbers_as_text_in_any_representation(tmp_path, name, vr):
    if vr == "UN" and name in ("Rows", "BitsStored"):
        pytest.skip("an unknown representation holds whole numbers in binary")
    plain, affine = read_dicom_volume(write_series(tmp_path / "plain"))
    voxels, same = read_dicom_volume(_rewritten(write_series(tmp_path / "text"), _retyped(name, vr)))
    assert np.array_equal(voxels, plain) and np.array_equal(same, affine)


@pytest.mark.parametrize("name", ["PixelSpacing", "ImagePositionPatient", "RescaleSlope", "RescaleIntercept"])
def test_decimal_commas(tmp_path, name):
    plain, affine = read_dicom_volume(write_series(tmp_path / "plain", slope=0.25, intercept=900.5))
    files = write_series(tmp_path / "comma", slope=0.25, intercept=900.5)
    for path in files:  # pydicom does not write what it would refuse to read, so the bytes are changed
        content = path.read_bytes()
        old = pydicom.dcmread(path).get_item(name).value.decode()
        assert content.count(old.encode()) >= 1
        path.write_bytes(content.replace(old.encode(), old.replace(".", ",").encode()))
    voxels, same = read_dicom_volume(files)
    assert np.array_equal(voxels, plain) and np.array_equal(same, affine)


@pytest.mark.parametrize(
    ("name", "text", "numbers"),
    [
        ("PixelSpacing", "1,234.5\\2", "2 numbers"),
        ("PixelSpacing", "2,0,2,0", "2 numbers"),
        ("PixelSpacing", "2.0", "2 numbers"),
        ("RescaleIntercept", "NaN", "a number"),
        ("RescaleSlope", "inf", "a number"),
        ("RescaleSlope", "Jane", "a number"),
    ],
)
def test_what_cannot_be_read_is_named_and_not_replaced(tmp_path, name, text, numbers):
    def change(dataset: Dataset) -> None:
        dataset[name] = pydicom.DataElement(name, "UT", text)

    problem = DicomHeader.read(_rewritten(write_series(tmp_path)[:1], change)[0]).problem
    assert problem.startswith(f"the value of {name} cannot be read: it must be {numbers}") and text not in problem


def test_numbers():
    assert [as_number(text) for text in ("2,5", "-,5", "1e-3", "+3", 4)] == [2.5, -0.5, 0.001, 3, 4]
    for text in ("1,234,567", "1,234.5", "", "nan", "2 mm", None, float("inf")):
        with pytest.raises(ValueError, match="not a"):
            as_number(text)


@pytest.mark.parametrize("implicit", [True, False])
@pytest.mark.parametrize("little", [True, False])
def test_files_without_a_meta_header(tmp_path, implicit, little):
    if implicit and not little:
        pytest.skip("no such encoding")
    plain, affine = read_dicom_volume(write_series(tmp_path / "plain"))
    for path in write_series(tmp_path / "bare"):
        dataset = pydicom.dcmread(path)
        if not little:
            dataset.PixelData = np.frombuffer(dataset.PixelData, "<u2").astype(">u2").tobytes()
        bare = Dataset(dataset)
        bare.file_meta = FileMetaDataset()
        pydicom.dcmwrite(path, bare, implicit_vr=implicit, little_endian=little)
        assert path.read_bytes()[128:132] != b"DICM"
    voxels, same = read_dicom_volume(sorted((tmp_path / "bare").iterdir()))
    assert np.array_equal(voxels, plain) and np.array_equal(same, affine)
    # Nothing but such files, without an ending, is a DICOM folder, too.
    assert find_cohort(tmp_path / "bare").table["slices"].tolist() == [12]


def test_compressed_pixels_without_a_transfer_syntax_are_named(tmp_path):
    dataset = pydicom.dcmread(write_series(tmp_path / "in", syntax=RLELossless)[0])
    bare = Dataset(dataset)
    bare.file_meta = FileMetaDataset()
    pydicom.dcmwrite(tmp_path / "bare", bare, implicit_vr=False, little_endian=True)
    with pytest.raises(ValueError, match="the header does not say how"):
        DicomHeader.read(tmp_path / "bare")


def _deflated(path: Path, base: Dataset, extra: int) -> Path:
    """A deflated file whose pixels, or an element after them, hold ``extra`` further zeros."""
    position, values = planes()[0]
    base.ImagePositionPatient, base.ImageOrientationPatient = position.tolist(), [1, 0, 0, 0, 1, 0]
    base.PixelData = values.astype("<u2").tobytes()
    base["PixelData"].VR = "OW"
    write(base, path, DeflatedExplicitVRLittleEndian)
    content = path.read_bytes()
    start = len(content) - len(_tail(content))
    plain = zlib.decompress(content[start:], -15)
    plain = plain + struct.pack("<HH2sHL", 0xFFFC, 0xFFFC, b"OB", 0, extra)
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    packed = packer.compress(plain)
    for _ in range(extra >> 20):
        packed += packer.compress(bytes(1 << 20))
    path.write_bytes(content[:start] + packed + packer.flush())
    return path


def _tail(content: bytes) -> bytes:
    """The deflated part, after the file meta information."""
    (length,) = struct.unpack("<L", content[140:144])
    return content[144 + length :]


def test_a_deflated_bomb_is_not_inflated(tmp_path):
    bomb = _deflated(tmp_path / "bomb", new_series(), 1 << 30)
    assert bomb.stat().st_size < 3 << 20
    with peak_below(150):
        header = DicomHeader.read(bomb)
        assert header.problem == "" and header.matrix == (32, 40)
        with pytest.raises(ValueError, match="the deflated data holds more than its header claims"):
            read_dicom_volume([bomb])


def test_a_deflated_header_that_never_ends_is_refused(tmp_path):
    base = new_series(ImageComments="x" * 80)
    path = write_series(tmp_path, base, syntax=DeflatedExplicitVRLittleEndian)[0]
    content = path.read_bytes()
    start = len(content) - len(_tail(content))
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    packed = packer.compress(struct.pack("<HH2sHL", 0x0009, 0x1010, b"OB", 0, 1 << 30))
    packed += b"".join(packer.compress(bytes(1 << 20)) for _ in range(1 << 10)) + packer.flush()
    path.write_bytes(content[:start] + packed)
    with peak_below(300), pytest.raises(ValueError, match="holds more than|damaged"):
        DicomHeader.read(path)


def test_a_claim_of_many_frames_costs_nothing(tmp_path):
    base = new_series(Rows=1, Columns=1, BitsAllocated=8, BitsStored=8, HighBit=7, NumberOfFrames=400_000_000)
    base.PixelData = bytes(2)
    base["PixelData"].VR = "OW"
    path = write(base, tmp_path / "frames")
    dataset = pydicom.dcmread(path)
    dataset.file_meta.TransferSyntaxUID = RLELossless
    dataset.PixelData = pydicom.encaps.encapsulate([bytes(98_000)])
    dataset["PixelData"].is_undefined_length = True
    dataset.save_as(path)
    with peak_below(50):
        assert "claims 400000000 frames, but says of 0 where they lie" in DicomHeader.read(path).problem


@pytest.mark.parametrize("kind", ["pipe", "loop", "nowhere", "device"])
def test_what_is_no_regular_file_neither_hangs_nor_stops_the_rest(tmp_path, kind):
    write_series(tmp_path / "in")
    odd = tmp_path / "in/odd.dcm"
    if kind == "pipe":
        os.mkfifo(odd)
    else:
        odd.symlink_to({"loop": odd, "nowhere": tmp_path / "lost", "device": "/dev/zero"}[kind])
    cohort = find_cohort(tmp_path)
    reasons = {"pipe": "a named pipe", "loop": "leads to itself", "nowhere": "leads nowhere", "device": "a device"}
    assert len(cohort) == 1 and [entry.file for entry in cohort.rejected] == [str(odd)]
    assert reasons[kind] in cohort.rejected[0].reason
