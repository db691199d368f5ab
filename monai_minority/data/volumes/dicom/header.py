"""The header of one DICOM file: its subject, its content, and the position of each of its frames."""

import io
import math
import os
import sys
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import pydicom
from pydicom.dataset import Dataset
from pydicom.uid import UID, MediaStorageDirectoryStorage

# A compressed frame of one grey level takes a few hundred bytes. A larger factor means a damaged or malicious header.
_MAX_COMPRESSION = 4096
_MAX_BYTES = 4 << 30
_NAN = float("nan")
_TAGS = [
    "AcquisitionNumber",
    "BitsAllocated",
    "Columns",
    "EchoTime",
    "ImageOrientationPatient",
    "ImagePositionPatient",
    "ImageType",
    "ImagesInAcquisition",
    "InstanceNumber",
    "IssuerOfPatientID",
    "MRAcquisitionType",
    "Modality",
    "NumberOfFrames",
    "PatientID",
    "PatientName",
    "PerFrameFunctionalGroupsSequence",
    "PhotometricInterpretation",
    "PixelSpacing",
    "RescaleIntercept",
    "RescaleSlope",
    "Rows",
    "SOPClassUID",
    "SamplesPerPixel",
    "SeriesDescription",
    "SeriesInstanceUID",
    "SharedFunctionalGroupsSequence",
    "SliceThickness",
    "SpacingBetweenSlices",
    "StudyInstanceUID",
    "TemporalPositionIdentifier",
]


@contextmanager
def quiet() -> Iterator[None]:
    """Suppress pydicom's warnings, because they quote header values that may identify a patient."""
    with warnings.catch_warnings(action="ignore"):
        yield


@dataclass(frozen=True, slots=True)
class DicomHeader:
    """The header of one file. It is small, so that hundreds of thousands fit in memory.

    Attributes:
        file: path of the file.
        subject: patient ID (with its issuer, if given), else the patient's name, else the study. It is identifying.
        study: study instance UID.
        series: series instance UID.
        modality: for example ``MR``. Like all texts it is ``""`` if the header does not state it.
        description: description of the series.
        name: name of the patient, needed to remove it from descriptions.
        image_type: for example ``("ORIGINAL", "PRIMARY", "M")``.
        acquisition: ``"3D"`` or ``"2D"``.
        matrix: number of rows and of columns.
        inverted: whether low values are white (MONOCHROME1).
        expected: number of images of the acquisition, 0 if unknown.
        thickness: distance of slices in mm according to the header, NaN if unknown.
        geometry: float64 ``[frames, 13]``: position (3) and directions of a row and of a column (6), both in mm in
            the patient's LPS axes, distance of rows and of columns (2), rescale slope and intercept; NaN if missing.
        order: float64 ``[frames, 4]``: echo time, temporal position, acquisition and instance number. They distinguish
            frames at the same position.
        problem: the reason why the file cannot be part of a volume; ``""`` if it can.
    """

    file: str
    subject: str
    study: str
    series: str
    modality: str
    description: str
    name: str
    image_type: tuple[str, ...]
    acquisition: str
    matrix: tuple[int, int]
    inverted: bool
    expected: int
    thickness: float
    geometry: np.ndarray
    order: np.ndarray
    problem: str

    @classmethod
    def read(cls, path: str | os.PathLike[str]) -> Self:
        """Read the header of a file without its pixels.

        Raises:
            ValueError: the file is empty, not DICOM, not an image, or damaged so that the series is unknown.
            OSError: the file cannot be opened.
        """
        dataset, rest = _parsed(path, headers_alone=True)
        return cls.of(dataset, str(path), rest)

    @classmethod
    @quiet()
    def of(cls, dataset: Dataset, file: str, pixel_bytes: int) -> Self:
        """The header of a data set in memory; ``pixel_bytes`` is the number of bytes after it in the file."""
        if dataset.get("SOPClassUID", dataset.file_meta.get("MediaStorageSOPClassUID")) == MediaStorageDirectoryStorage:
            raise ValueError("the file is a DICOMDIR, not an image")
        rows, columns = (_integer(dataset, name) for name in ("Rows", "Columns"))
        if not rows or not columns:
            uid = UID(str(dataset.get("SOPClassUID", "")))
            kind = f", it is a {uid.name}" if uid.name != uid else ""  # an unknown UID may be identifying
            raise ValueError(f"the DICOM file holds no image with rows and columns{kind}")
        series = _text(dataset, "SeriesInstanceUID")
        if not series:
            raise ValueError("the DICOM file does not say which series it belongs to (no SeriesInstanceUID)")
        study, name = _text(dataset, "StudyInstanceUID"), _text(dataset, "PatientName")
        issuer = _text(dataset, "IssuerOfPatientID")
        identity = _text(dataset, "PatientID")
        subject = f"{identity} ({issuer})" if identity and issuer else identity or name or study or series
        acquisition = _text(dataset, "MRAcquisitionType")
        frames, problem = _frames(dataset, pixel_bytes)
        return cls(
            file=file,
            subject=sys.intern(subject),
            study=sys.intern(study),
            series=sys.intern(series),
            modality=sys.intern(_text(dataset, "Modality")),
            description=sys.intern(_text(dataset, "SeriesDescription")),
            name=sys.intern(name),
            image_type=tuple(map(sys.intern, map(str, _values(dataset, "ImageType")))),
            acquisition=acquisition if acquisition in ("2D", "3D") else "",
            matrix=(rows, columns),
            inverted=_text(dataset, "PhotometricInterpretation") == "MONOCHROME1",
            expected=_integer(dataset, "ImagesInAcquisition"),
            thickness=_thickness(dataset),
            geometry=_geometry(dataset, frames),
            order=_order(dataset, frames),
            problem=problem,
        )


def read_dicom(path: str | os.PathLike[str]) -> tuple[Dataset, DicomHeader]:
    """Read a whole data set, with encoded pixels, and its header, by one read of the file.

    Raises:
        ValueError: as :meth:`DicomHeader.read`, or the file has a ``problem``.
    """
    dataset, rest = _parsed(path, headers_alone=False)
    pixels = dataset.get("PixelData")
    header = DicomHeader.of(dataset, str(path), len(pixels) if isinstance(pixels, bytes) else rest)
    if header.problem:
        raise ValueError(header.problem)
    return dataset, header


class _BoundedFile(io.BufferedReader):
    """A file that limits each read to its size, so that a length of 4 GB in a damaged header costs no memory."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        super().__init__(io.FileIO(path))
        self.size = os.fstat(self.fileno()).st_size

    def read(self, size: int | None = -1, /) -> bytes:
        if size is not None and 0 <= size <= 1 << 16:
            return super().read(size)
        rest = max(0, self.size - self.tell())
        return super().read(rest if size is None or size < 0 else min(size, rest))


def _parsed(path: str | os.PathLike[str], headers_alone: bool) -> tuple[Dataset, int]:
    """The data set and the number of unread bytes after it."""
    with _BoundedFile(path) as file, quiet():
        if not file.size:
            raise ValueError("the file is empty (0 bytes)")
        magic = file.read(132)[128:] == b"DICM"
        file.seek(0)
        try:
            dataset = pydicom.dcmread(
                file, force=True, stop_before_pixels=headers_alone, specific_tags=_TAGS if headers_alone else None
            )
            known = magic or "SOPClassUID" in dataset or "SeriesInstanceUID" in dataset
        except Exception as error:  # any error of pydicom means that the file is damaged
            raise ValueError(
                f"the DICOM header is damaged ({type(error).__name__})" if magic else "not a DICOM file"
            ) from None
        if not known:
            raise ValueError("not a DICOM file")
        return dataset, file.size - file.tell()


def _frames(dataset: Dataset, pixel_bytes: int) -> tuple[int, str]:
    """Number of frames, and the problem with the pixels as far as header and file size show it."""
    try:
        frames = max(1, int(dataset.get("NumberOfFrames") or 1))
    except (TypeError, ValueError):
        return 1, "the number of frames is not a number"
    if _integer(dataset, "SamplesPerPixel") > 1 or "COLOR" in _text(dataset, "PhotometricInterpretation"):
        return 1, "it is a colour picture, not a measured volume"
    size = dataset.Rows * dataset.Columns * frames * max(1, _integer(dataset, "BitsAllocated") / 8)
    syntax = dataset.file_meta.get("TransferSyntaxUID")
    compressed = syntax is not None and UID(syntax).is_compressed
    deflated = syntax == "1.2.840.10008.1.2.1.99"
    if not pixel_bytes and not deflated:
        return 1, "the file is truncated: it ends before its pixels"
    if compressed and not deflated and size > _MAX_COMPRESSION * pixel_bytes:
        return 1, f"the header claims {size:.4g} bytes of pixels, but {pixel_bytes} bytes cannot hold them"
    if not compressed and pixel_bytes < size:
        return 1, f"the file is truncated: it has {pixel_bytes} of the {size:.4g} bytes of its pixels"
    if size > _MAX_BYTES:
        return 1, f"the header claims {size:.4g} bytes of pixels, more than the {_MAX_BYTES} bytes allowed"
    return frames, ""


def _geometry(dataset: Dataset, frames: int) -> np.ndarray:
    shared, own = _groups(dataset, frames)
    rows = np.empty((frames, 13))
    for row, groups in zip(rows, own, strict=True):
        find = _Finder((groups, shared, dataset))
        row[:3] = find("PlanePositionSequence", "ImagePositionPatient", 3)
        row[3:9] = find("PlaneOrientationSequence", "ImageOrientationPatient", 6)
        row[9:11] = find("PixelMeasuresSequence", "PixelSpacing", 2)
        row[11] = find("PixelValueTransformationSequence", "RescaleSlope", 1, 1.0)[0]
        row[12] = find("PixelValueTransformationSequence", "RescaleIntercept", 1, 0.0)[0]
    return rows


def _order(dataset: Dataset, frames: int) -> np.ndarray:
    shared, own = _groups(dataset, frames)
    rows = np.empty((frames, 4))
    for number, (row, groups) in enumerate(zip(rows, own, strict=True)):
        find = _Finder((groups, shared, dataset))
        row[0] = find("MREchoSequence", "EffectiveEchoTime" if groups else "EchoTime", 1, 0.0)[0]
        temporal = "TemporalPositionIndex" if groups else "TemporalPositionIdentifier"
        row[1] = find("FrameContentSequence", temporal, 1, 0.0)[0]
        row[2] = find("", "AcquisitionNumber", 1, 0.0)[0]
        row[3] = find("", "InstanceNumber", 1)[0] if frames == 1 else number
    return rows


def _thickness(dataset: Dataset) -> float:
    shared, own = _groups(dataset, 1)
    find = _Finder((own[0], shared, dataset))
    between = find("PixelMeasuresSequence", "SpacingBetweenSlices", 1)[0]
    return float(between if between > 0 else find("PixelMeasuresSequence", "SliceThickness", 1)[0])


def _groups(dataset: Dataset, frames: int) -> tuple[Dataset | None, Sequence[Dataset | None]]:
    """The shared functional groups and those of each frame; ``None`` if missing."""
    shared = dataset.get("SharedFunctionalGroupsSequence")
    own = dataset.get("PerFrameFunctionalGroupsSequence")
    fits = own and (len(own) == frames or frames == 1)
    return (shared[0] if shared else None), (own[:frames] if fits else [None] * frames)


class _Finder:
    """Look up an attribute in the functional groups of a frame, then in the shared ones, then in the data set."""

    def __init__(self, places: Sequence[Dataset | None]) -> None:
        self._places = places

    def __call__(self, group: str, name: str, count: int, default: float = _NAN) -> list[float]:
        for place in self._places:
            if place is None:
                continue
            inner = place.get(group) if group else None
            found = _values(inner[0] if inner else place, name)
            if len(found) == count:
                try:
                    return [float(value) for value in found]
                except (TypeError, ValueError):
                    break
        return [default] * count


def _values(dataset: Dataset, name: str) -> list[Any]:
    try:
        value = dataset.get(name)
    except Exception:  # pydicom converts values on access; a damaged value counts as missing
        return []
    if value is None or value == "":
        return []
    return list(value) if isinstance(value, list | tuple | pydicom.multival.MultiValue) else [value]


def _text(dataset: Dataset, name: str) -> str:
    return "\\".join(map(str, _values(dataset, name))).strip()


def _integer(dataset: Dataset, name: str) -> int:
    try:
        number = float(_values(dataset, name)[0])
    except (IndexError, TypeError, ValueError):
        return 0
    return int(number) if math.isfinite(number) else 0
