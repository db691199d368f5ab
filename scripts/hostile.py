"""Cohorts of volumes, series and pictures, and files that hang, lie about their size, or are named as commands."""

import gzip
import os
import shutil
import socket
import zlib
from collections.abc import Callable
from pathlib import Path

import nibabel as nib
import numpy as np
import pydicom
from PIL import Image
from pydicom.dataset import Dataset
from pydicom.uid import DeflatedExplicitVRLittleEndian, ExplicitVRLittleEndian, RLELossless

SERIES_OF = {"deflated_bomb.dcm": "1-0.dcm"}
"""Files that are told by the first one of their series."""

Make = Callable[[Path], object]
PICTURES = (
    "preprocessing={_target_: monai.transforms.Compose, transforms: ["
    "{_target_: monai_minority.transforms.LoadPictured, convert: true}, "
    "{_target_: monai.transforms.ScaleIntensityRanged, keys: image, a_min: 0, a_max: 255, b_min: -1.0, b_max: 1.0}, "
    "{_target_: monai_minority.transforms.ResizeToSquared, keys: image, size: 16}]}"
)
"""Setting of a run whose images are pictures."""


def volumes(folder: Path, phantoms: Path) -> None:
    """Ten sound NIfTI files."""
    for number, path in enumerate(sorted(phantoms.rglob("*.nii.gz"))[:10]):
        shutil.copy(path, folder / f"sub-{number}.nii.gz")


def series(folder: Path, _: Path) -> None:
    """Ten sound DICOM series of 24 slices."""
    rng = np.random.default_rng(0)
    for number in range(10):
        for index in range(24):
            one = _slice(number, index, rng.integers(0, 900, (32, 32)).astype(np.uint16))
            one.save_as(folder / f"{number}-{index}.dcm", enforce_file_format=True)


def pictures(folder: Path, _: Path) -> None:
    """Twelve sound pictures in two folders."""
    rng = np.random.default_rng(0)
    for number in range(12):
        (folder / "ab"[number % 2]).mkdir(exist_ok=True)
        Image.fromarray(rng.integers(0, 255, (32, 32), np.uint8)).save(folder / "ab"[number % 2] / f"{number}.png")


def odd_volumes() -> dict[bytes | str, Make]:
    """Name of a hostile file to what makes it."""
    sound = gzip.compress(_nifti((20, 20, 20), np.arange(8000, dtype="<f4").tobytes()))
    zeros = gzip.compress(_nifti((645, 645, 645)) + bytes(4 * 645**3 >> 8), 9)
    return {
        **_no_files(".nii.gz"),
        **{name: _write(sound[:900]) for name in _commands(".nii.gz")},
        "text.nii": _write(b"no volume"),
        "cut.nii.gz": _write(sound[: len(sound) // 2]),
        "just_under_the_limit.nii.gz": _bomb,
        "claims_that_it_does_not_keep.nii.gz": _write(zeros),
        "claims_32_gigabytes.nii": _write(_nifti((2000, 2000, 2000))),
        "sparse.nii": _sparse,
        "endless_extension.nii": _write(_nifti((20, 20, 20), extension=(1 << 31) - 16)),
        "no_dimensions.nii": _write(_nifti((0, -3, 20))),
        "not_numbers.nii": _write(_nifti((20, 20, 20), np.full(8000, np.nan, "<f4").tobytes())),
        "infinite.nii": _write(_nifti((20, 20, 20), np.r_[np.inf, np.arange(7999)].astype("<f4").tobytes())),
        "constant.nii": _write(_nifti((20, 20, 20), bytes(32000))),
        "colours.nii": _write(_nifti((20, 20, 20), np.arange(8000, dtype="<f4").tobytes(), intent=1002)),
        "pipe.nhdr": _write(_nrrd("pipe.nii.gz")),
        "device.nhdr": _write(_nrrd("/dev/zero")),
        "passwords.mhd": _write(b"ObjectType = Image\nNDims = 3\nDimSize = 8 8 8\nElementType = MET_FLOAT\n"
                                b"ElementSpacing = 1 1 1\nElementDataFile = ../../../../../../etc/passwd\n"),
        "cut.mgz": _write(gzip.compress(bytes(40))),
        "table.csv.gz": _write(gzip.compress(bytes(1 << 20))),
    }  # fmt: skip


def odd_series() -> dict[bytes | str, Make]:
    """As :func:`odd_volumes`, among DICOM files."""
    return {
        **_no_files(".dcm"),
        **{name: _write(b"cut") for name in _commands(".dcm")},
        "deflated_bomb.dcm": _deflated,
        "claims_frames.dcm": _frames,
        "claims_size.dcm": lambda place: _saved(place, Rows=60000, Columns=60000),
        "nested.dcm": _nested,
        "cut.dcm": lambda place: (_saved(place), os.truncate(place, 700)),
        "name_of_codes.dcm": lambda place: _saved(place, 98, SpecificCharacterSet="ISO 2022 IR 999"),
        "command.dcm": lambda place: _saved(place, 99, SeriesDescription="\x1b[2J=cmd|' /C calc'!A0"),
    }


def odd_pictures() -> dict[bytes | str, Make]:
    """As :func:`odd_volumes`, among pictures."""
    return {
        **{f"a/{name}": make for name, make in _no_files(".png").items() if isinstance(name, str)},
        **{f"a/{name}": _write(b"cut") for name in _commands(".png") if isinstance(name, str)},
        "a/program.png": _write(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 4 4\nshowpage\n"),
        "a/claims_60000.png": _claims,
        "a/text_bomb.png": _text_bomb,
        "a/animated.gif.png": lambda place: Image.new("L", (8, 8)).save(
            place, "GIF", save_all=True, append_images=[Image.new("L", (8, 8), 9)] * 3
        ),
        "a/pages.tiff": lambda place: Image.new("L", (8, 8)).save(
            place, save_all=True, append_images=[Image.new("L", (8, 8), 9)] * 3
        ),
        "a/cut.jpg": lambda place: (Image.new("L", (64, 64), 7).save(place), os.truncate(place, 200)),
        "a/drawing.svg": _write(b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>"),
    }


def _no_files(ending: str) -> dict[bytes | str, Make]:
    """What is no regular file, or cannot be reached."""
    return {
        f"pipe{ending}": os.mkfifo,
        f"socket{ending}": _socket,
        f"zeros{ending}": lambda place: place.symlink_to("/dev/zero"),
        f"loop{ending}": lambda place: place.symlink_to(place.name),
        f"lost{ending}": lambda place: place.symlink_to("nowhere"),
        f"folder{ending}": lambda place: (place.mkdir(), place.joinpath("up").symlink_to("..")),
        f"empty{ending}": lambda place: place.touch(),
        f"pointer{ending}": _write(b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 9\n"),
    }


def _commands(ending: str) -> list[bytes | str]:
    """Names that are commands to a terminal, a spreadsheet or a browser, or no text at all."""
    names = ("\x1b[2J\x07red", "=HYPERLINK(1)", "<img src=x onerror=alert(1)>", "line\nbreak", "a" * 200, "::b")
    return [*(f"{name}{ending}" for name in names), b"\xff\xfe" + ending.encode()]


def _write(content: bytes) -> Make:
    return lambda place: place.write_bytes(content)


def _socket(place: Path) -> None:
    before = Path.cwd()
    os.chdir(place.parent)  # the whole path may be too long for a socket
    try:
        socket.socket(socket.AF_UNIX).bind(place.name)
    finally:
        os.chdir(before)


def _nifti(shape: tuple[int, ...], voxels: bytes = b"", extension: int = 0, intent: int = 0) -> bytes:
    header = nib.Nifti1Header()
    header.set_data_dtype("<f4")
    content = header.structarr
    content["dim"][:4], content["pixdim"][1:4], content["vox_offset"] = (3, *shape), 1, 352 + 16 * bool(extension)
    header.set_sform(np.eye(4), 1)
    content["intent_code"], content["magic"] = intent, b"n+1"
    more = bytes([1, 0, 0, 0]) + extension.to_bytes(4, "little") + bytes(12) if extension else bytes(4)
    return content.tobytes() + more + voxels


def _bomb(place: Path) -> None:
    """A megabyte that keeps its word: a volume just under the limit."""
    with gzip.open(place, "wb", 9) as opened:
        opened.write(_nifti((645, 645, 645)))
        for _ in range(645):
            opened.write(bytes(4 * 645**2))


def _sparse(place: Path) -> None:
    place.write_bytes(_nifti((900, 900, 900)))
    os.truncate(place, 352 + 4 * 900**3)


def _nrrd(named: str) -> bytes:
    return (
        "NRRD0004\ntype: float\ndimension: 3\nsizes: 8 8 8\nspace: left-posterior-superior\nspace directions: "
        f"(1,0,0) (0,1,0) (0,0,1)\nspace origin: (0,0,0)\nencoding: raw\nendian: little\ndata file: {named}\n"
    ).encode()


def _slice(number: int, index: int, pixels: np.ndarray, **changes: object) -> Dataset:
    one = Dataset()
    one.file_meta = pydicom.dataset.FileMetaDataset()
    one.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    one.SOPClassUID, one.SOPInstanceUID = "1.2.840.10008.5.1.4.1.1.4", f"1.2.3.{number + 1}.{index + 1}"
    one.PatientID, one.StudyInstanceUID, one.SeriesInstanceUID = (
        f"P{number}",
        f"1.2.4.{number + 1}",
        f"1.2.5.{number + 1}",
    )
    one.Modality, one.InstanceNumber, one.SamplesPerPixel = "MR", index + 1, 1
    one.PhotometricInterpretation, one.PixelRepresentation = "MONOCHROME2", 0
    one.ImagePositionPatient, one.ImageOrientationPatient = [0, 0, 2 * index], [1, 0, 0, 0, 1, 0]
    one.PixelSpacing, one.SliceThickness = [2, 2], 2
    one.Rows, one.Columns = pixels.shape
    one.BitsAllocated, one.BitsStored, one.HighBit = 16, 16, 15
    one.PixelData = pixels.tobytes()
    for name, value in changes.items():
        setattr(one, name, value)
    return one


def _saved(place: Path, number: int = 0, **changes: object) -> None:
    """A slice more of a series, by default of a sound one, which loses this file alone."""
    with pydicom.config.disable_value_validation():
        _slice(number, 24, np.zeros((32, 32), np.uint16), **changes).save_as(place, enforce_file_format=True)


def _deflated(place: Path) -> None:
    """Two megabytes that inflate to two gigabytes, in a series that is sound but for them."""
    one = _slice(1, 24, np.zeros((32, 32), np.uint16))
    one.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
    one.save_as(place, enforce_file_format=True)
    content = place.read_bytes()
    start = 132 + 12 + int.from_bytes(content[140:144], "little")
    inner = zlib.decompress(content[start:], -15)
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    packed = packer.compress(inner) + b"".join(packer.compress(bytes(1 << 20)) for _ in range(1 << 11)) + packer.flush()
    place.write_bytes(content[:start] + packed)


def _frames(place: Path) -> None:
    one = _slice(0, 25, np.zeros((1, 1), np.uint16), NumberOfFrames=400_000_000)
    one.file_meta.TransferSyntaxUID = RLELossless
    one.PixelData = pydicom.encaps.encapsulate([bytes(98_000)])
    one["PixelData"].is_undefined_length = True
    one.save_as(place, enforce_file_format=True)


def _nested(place: Path) -> None:
    """Sequences within sequences, deeper than any recursion goes."""
    _saved(place, 97)
    content = place.read_bytes()
    begin = b"\x08\x00\x40\x11SQ\0\0\xff\xff\xff\xff\xfe\xff\x00\xe0\xff\xff\xff\xff"
    at = content.index(b"\x08\x00\x60\x00CS")
    place.write_bytes(content[:at] + begin * 5000 + content[at:])


def _claims(place: Path) -> None:
    Image.new("L", (300, 300)).save(place)
    content = bytearray(place.read_bytes())
    content[16:24] = (60000).to_bytes(4, "big") * 2
    content[29:33] = zlib.crc32(content[12:29]).to_bytes(4, "big")
    place.write_bytes(content)


def _text_bomb(place: Path) -> None:
    """A picture with a compressed note of a gigabyte."""
    Image.new("L", (8, 8), 5).save(place)
    packer = zlib.compressobj(9)
    note = b"Comment\0\0" + b"".join(packer.compress(bytes(1 << 20)) for _ in range(1 << 10)) + packer.flush()
    chunk = len(note).to_bytes(4, "big") + b"zTXt" + note + zlib.crc32(b"zTXt" + note).to_bytes(4, "big")
    content = place.read_bytes()
    place.write_bytes(content[:33] + chunk + content[33:])
