"""The header of one DICOM file: its subject, its content, and the position of each of its frames."""

import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from pydicom.uid import UID, MediaStorageDirectoryStorage

from monai_minority.data.volumes.dicom.reading import claimed_bytes, quiet, read_data_set, read_header
from monai_minority.data.volumes.dicom.values import Finder, integer_of, text_of, values_of
from monai_minority.keys import SYNTHETIC_REFUSAL

LOCALISER = "a localiser"
MAX_BYTES = 1 << 30
"""Default limit for a volume: bytes of its voxels as float32, and of the pixels of a file."""
# A compressed frame of one grey level takes a few hundred bytes. A larger factor means a damaged or malicious header.
_MAX_COMPRESSION = 4096
_NUMBERS_OF_PIXELS = (
    *("BitsAllocated", "BitsStored", "Columns", "HighBit"),
    *("PixelRepresentation", "PlanarConfiguration", "Rows", "SamplesPerPixel"),
)
_TAGS = [
    *("AcquisitionNumber", "BitsAllocated", "Columns", "EchoTime", "ImageOrientationPatient"),
    *("ImagePositionPatient", "ImageType", "ImagesInAcquisition", "InstanceNumber", "IssuerOfPatientID"),
    *("MRAcquisitionType", "Modality", "NumberOfFrames", "PatientBirthDate", "PatientID", "PatientName"),
    *("PatientSex", "PerFrameFunctionalGroupsSequence", "PhotometricInterpretation", "PixelSpacing"),
    *("RescaleIntercept", "RescaleSlope", "Rows", "SOPClassUID", "SOPInstanceUID", "SamplesPerPixel"),
    *("SeriesDescription", "SeriesInstanceUID", "SharedFunctionalGroupsSequence", "SliceThickness"),
    *("SpacingBetweenSlices", "StudyInstanceUID", "SyntheticData", "TemporalPositionIdentifier"),
]


@dataclass(frozen=True, slots=True)
class Person:
    """What a header says about its patient. All of it is identifying, and all of it may be ``""``."""

    patient_id: str
    issuer: str
    name: str
    birth_date: str
    sex: str


@dataclass(frozen=True, slots=True)
class DicomHeader:
    """The header of one file. It is small, so that hundreds of thousands fit in memory.

    Attributes:
        file: path of the file.
        person: the patient.
        study: study instance UID.
        series: series instance UID.
        instance: SOP instance UID, which no other file has unless it is a copy.
        kind: SOP class UID and modality: what kind of object it is.
        modality: for example ``MR``. Like all texts it is ``""`` if the header does not state it.
        description: description of the series.
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
    person: Person
    study: str
    series: str
    instance: str
    kind: str
    modality: str
    description: str
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
    def read(cls, path: str | os.PathLike[str], max_bytes: int = MAX_BYTES) -> Self:
        """Read the header of a file without its pixels.

        Raises:
            ValueError: the file is empty, no regular file, not DICOM, not an image, or damaged so that the series is
                unknown.
            OSError: the file cannot be opened.
        """
        dataset, rest = read_header(path, _TAGS)
        return cls.of(dataset, str(path), rest, max_bytes)

    @classmethod
    @quiet()
    def of(cls, dataset: Dataset, file: str, pixel_bytes: int, max_bytes: int = MAX_BYTES) -> Self:
        """The header of a data set in memory; ``pixel_bytes`` is the number of bytes after it in the file."""
        if dataset.get("SOPClassUID", dataset.file_meta.get("MediaStorageSOPClassUID")) == MediaStorageDirectoryStorage:
            raise ValueError("the file is a DICOMDIR, not an image")
        if text_of(dataset, "SyntheticData").upper() == "YES" or text_of(dataset, "PatientName").startswith(
            "SYNTHETIC^"
        ):
            raise ValueError(SYNTHETIC_REFUSAL)
        rows, columns = (integer_of(dataset, name) for name in ("Rows", "Columns"))
        if rows < 1 or columns < 1:
            uid = UID(text_of(dataset, "SOPClassUID"))
            kind = f", it is a {uid.name}" if uid.name != uid else ""  # an unknown UID may be identifying
            raise ValueError(f"the DICOM file holds no image with rows and columns{kind}")
        series = text_of(dataset, "SeriesInstanceUID")
        if not series:
            raise ValueError("the DICOM file does not say which series it belongs to (no SeriesInstanceUID)")
        names = ("PatientID", "IssuerOfPatientID", "PatientName", "PatientBirthDate", "PatientSex")
        acquisition = text_of(dataset, "MRAcquisitionType")
        modality = text_of(dataset, "Modality")
        image_type = tuple(sys.intern(str(kind).upper()) for kind in values_of(dataset, "ImageType"))
        frames, problem = _frames(dataset, pixel_bytes, max_bytes)
        unreadable: dict[str, int] = {}
        geometry = _geometry(dataset, frames, unreadable)
        for attribute, count in unreadable.items():
            numbers = "a number" if count == 1 else f"{count} numbers separated by backslashes"
            problem = problem or f"the value of {attribute} cannot be read: it must be {numbers}"
        return cls(
            file=file,
            person=Person(*(sys.intern(text_of(dataset, name)) for name in names)),
            study=sys.intern(text_of(dataset, "StudyInstanceUID")),
            series=sys.intern(series),
            instance=text_of(dataset, "SOPInstanceUID"),
            kind=sys.intern(f"{text_of(dataset, 'SOPClassUID')} {modality}"),
            modality=sys.intern(modality),
            description=sys.intern(text_of(dataset, "SeriesDescription")),
            image_type=image_type,
            acquisition=acquisition if acquisition in ("2D", "3D") else "",
            matrix=(rows, columns),
            inverted=text_of(dataset, "PhotometricInterpretation") == "MONOCHROME1",
            expected=integer_of(dataset, "ImagesInAcquisition"),
            thickness=_thickness(dataset),
            geometry=geometry,
            order=_order(dataset, frames),
            problem=problem or _type_problem(image_type),
        )


def read_dicom(path: str | os.PathLike[str], max_bytes: int = MAX_BYTES) -> tuple[Dataset, DicomHeader]:
    """Read a whole data set, with encoded pixels, and its header, by one read of the file.

    Raises:
        ValueError: as :meth:`DicomHeader.read`, or the file has a ``problem``.
    """
    dataset = read_data_set(path, _TAGS, max_bytes)
    pixels = dataset.get("PixelData")
    header = DicomHeader.of(dataset, str(path), len(pixels) if isinstance(pixels, bytes) else 0, max_bytes)
    if header.problem:
        raise ValueError(header.problem)
    for name in _NUMBERS_OF_PIXELS:  # the decoder takes no text, and not every file has the standard's representation
        if values_of(dataset, name) and not isinstance(dataset.get(name), int):
            dataset[name] = DataElement(name, "US", integer_of(dataset, name))
    return dataset, header


def _type_problem(image_type: Sequence[str]) -> str:
    if "LOCALIZER" in image_type:
        return LOCALISER
    return "a mosaic with many slices in one image; convert it to NIfTI" if "MOSAIC" in image_type else ""


def _frames(dataset: Dataset, pixel_bytes: int, max_bytes: int) -> tuple[int, str]:
    """Number of frames, and the problem with the pixels as far as header and file size show it."""
    if values_of(dataset, "NumberOfFrames") and integer_of(dataset, "NumberOfFrames") < 1:
        return 1, "the number of frames is not a number above 0"
    frames = max(1, integer_of(dataset, "NumberOfFrames"))
    if integer_of(dataset, "SamplesPerPixel") > 1 or "COLOR" in text_of(dataset, "PhotometricInterpretation"):
        return 1, "it is a colour picture, not a measured volume"
    size = claimed_bytes(dataset)
    syntax = dataset.file_meta.get("TransferSyntaxUID")
    compressed = syntax is not None and UID(syntax).is_compressed
    if not pixel_bytes:
        return 1, "the file is truncated: it ends before its pixels"
    if compressed and size > _MAX_COMPRESSION * pixel_bytes:
        return 1, f"the header claims {size:.4g} bytes of pixels, but {pixel_bytes} bytes cannot hold them"
    if not compressed and pixel_bytes < size:
        return 1, f"the file is truncated: it has {pixel_bytes} of the {size:.4g} bytes of its pixels"
    if size > max_bytes:
        return 1, f"the header claims {size:.4g} bytes of pixels, more than the {max_bytes} allowed"
    own = len(values_of(dataset, "PerFrameFunctionalGroupsSequence"))
    if frames > 1 and own != frames:  # memory is taken for each frame, so the claim alone does not count
        return 1, f"it claims {frames} frames, but says of {own} where they lie: a film, or a damaged header"
    return frames, ""


def _geometry(dataset: Dataset, frames: int, unreadable: dict[str, int]) -> np.ndarray:
    shared, own = _groups(dataset, frames)
    rows = np.empty((frames, 13))
    for row, groups in zip(rows, own, strict=True):
        find = Finder((groups, shared, dataset), unreadable)
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
        find = Finder((groups, shared, dataset))
        row[0] = find("MREchoSequence", "EffectiveEchoTime" if groups else "EchoTime", 1, 0.0)[0]
        temporal = "TemporalPositionIndex" if groups else "TemporalPositionIdentifier"
        row[1] = find("FrameContentSequence", temporal, 1, 0.0)[0]
        row[2] = find("", "AcquisitionNumber", 1, 0.0)[0]
        row[3] = find("", "InstanceNumber", 1)[0] if frames == 1 else number
    return rows


def _thickness(dataset: Dataset) -> float:
    shared, own = _groups(dataset, 1)
    find = Finder((own[0], shared, dataset))
    between = find("PixelMeasuresSequence", "SpacingBetweenSlices", 1)[0]
    return float(between if between > 0 else find("PixelMeasuresSequence", "SliceThickness", 1)[0])


def _groups(dataset: Dataset, frames: int) -> tuple[Dataset | None, Sequence[Dataset | None]]:
    """The shared functional groups and those of each frame; ``None`` if missing."""
    shared = values_of(dataset, "SharedFunctionalGroupsSequence")
    own = values_of(dataset, "PerFrameFunctionalGroupsSequence")
    fits = own and (len(own) == frames or frames == 1)
    return (shared[0] if shared else None), (own[:frames] if fits else [None] * frames)
