"""DICOM series of known content: every stored value follows from where it lies in the patient."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pydicom
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import UID, EnhancedMRImageStorage, ExplicitVRLittleEndian, MRImageStorage, generate_uid

AXIAL = ((1, 0, 0), (0, 1, 0))
SAGITTAL = ((0, 1, 0), (0, 0, -1))
# A sagittal acquisition turned by some degrees about two axes, directions in LPS.
_turn = np.radians(12.0), np.radians(-7.0)
_about_z = np.array([[np.cos(_turn[0]), -np.sin(_turn[0]), 0], [np.sin(_turn[0]), np.cos(_turn[0]), 0], [0, 0, 1]])
_about_x = np.array([[1, 0, 0], [0, np.cos(_turn[1]), -np.sin(_turn[1])], [0, np.sin(_turn[1]), np.cos(_turn[1])]])
OBLIQUE = tuple(tuple((_about_z @ _about_x @ np.array(direction)).tolist()) for direction in SAGITTAL)
ROWS, COLUMNS, SLICES = 32, 40, 12  # JPEG 2000's five resolutions need 32 pixels
SPACING = (1.5, 1.25)  # of rows and of columns, mm
_GRADIENT = np.array([3.0, 5.0, 7.0])


def value_at(ras: np.ndarray) -> np.ndarray:
    """The measured value at points ``[..., 3]`` in mm (RAS): linear, so that linear interpolation is exact."""
    return 1000 + ras @ _GRADIENT


def new_series(**attributes: object) -> Dataset:
    """What the files of a series share."""
    base = Dataset()
    base.SOPClassUID = MRImageStorage
    base.Modality = "MR"
    base.PatientID, base.PatientName = "P1", "Doe^Jane"
    base.StudyInstanceUID, base.SeriesInstanceUID = generate_uid(), generate_uid()
    base.SeriesDescription = "t1 mprage"
    base.MRAcquisitionType = "3D"
    base.ImageType = ["ORIGINAL", "PRIMARY", "M"]
    base.Rows, base.Columns = ROWS, COLUMNS
    base.PixelSpacing = list(SPACING)
    base.SliceThickness = 2.0
    base.SamplesPerPixel, base.PhotometricInterpretation = 1, "MONOCHROME2"
    base.BitsAllocated, base.BitsStored, base.HighBit, base.PixelRepresentation = 16, 16, 15, 0
    for name, value in attributes.items():
        setattr(base, name, value)
    return base


def planes(
    directions: Sequence[Sequence[float]] = AXIAL, offsets: Sequence[float] = tuple(2.0 * np.arange(SLICES))
) -> list[tuple[np.ndarray, np.ndarray]]:
    """For each offset along the normal in mm: the position (LPS) of the first pixel, and the values of the plane."""
    row, column = np.array(directions, dtype=float)
    normal = np.cross(row, column)
    found = []
    for offset in offsets:
        position = np.array([-11.0, -9.0, -7.0]) + offset * normal
        grid = np.stack(np.meshgrid(np.arange(ROWS), np.arange(COLUMNS), indexing="ij"), -1)
        lps = position + grid[..., :1] * SPACING[0] * column + grid[..., 1:] * SPACING[1] * row
        found.append((position, value_at(lps * [-1, -1, 1])))
    return found


def write(dataset: Dataset, path: Path, syntax: UID = ExplicitVRLittleEndian) -> Path:
    """Write a data set as a file; pixels are compressed where the syntax asks for it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    dataset = pydicom.Dataset(dataset)
    dataset.SOPInstanceUID = dataset.get("SOPInstanceUID") or generate_uid()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian if syntax.is_compressed else syntax
    if syntax.is_compressed and not syntax.is_deflated:
        dataset.compress(syntax, generate_instance_uid=False)
    elif syntax.is_deflated:
        dataset.file_meta.TransferSyntaxUID = syntax
    dataset.save_as(path, enforce_file_format=True)
    return path


def write_series(
    folder: Path,
    base: Dataset | None = None,
    directions: Sequence[Sequence[float]] = AXIAL,
    offsets: Sequence[float] = tuple(2.0 * np.arange(SLICES)),
    syntax: UID = ExplicitVRLittleEndian,
    slope: float = 1.0,
    intercept: float = 0.0,
    name: str = "IM{:03d}",
    first_number: int = 1,
) -> list[Path]:
    """A file a slice, in an order that says nothing of where they lie; stored values are rounded."""
    base = base or new_series()
    files = []
    for number, (position, values) in enumerate(planes(directions, offsets)):
        one = pydicom.Dataset(base)
        one.ImagePositionPatient = [float(f"{x:.10g}") for x in position]
        one.ImageOrientationPatient = [float(f"{x:.10g}") for direction in directions for x in direction]
        one.InstanceNumber = first_number + number
        if (slope, intercept) != (1.0, 0.0):
            one.RescaleSlope, one.RescaleIntercept = slope, intercept
        kind = "<i2" if base.PixelRepresentation else "<u2"
        one.PixelData = np.round((values - intercept) / slope).astype(kind).tobytes()
        one["PixelData"].VR = "OW"
        files.append(write(one, folder / name.format((number * 7) % 97), syntax))
    return files


def write_enhanced(
    path: Path,
    base: Dataset | None = None,
    directions: Sequence[Sequence[float]] = AXIAL,
    slopes: tuple[float, float] = (0.5, 0.75),
) -> Path:
    """The same slices as one multi-frame file, the frames from the last slice to the first, slopes in turn."""
    one = pydicom.Dataset(base or new_series())
    one.SOPClassUID = EnhancedMRImageStorage
    spacing, thickness = one.PixelSpacing, one.SliceThickness
    del one.PixelSpacing, one.SliceThickness
    orientation, measures = Dataset(), Dataset()
    orientation.ImageOrientationPatient = [float(f"{x:.10g}") for direction in directions for x in direction]
    measures.PixelSpacing, measures.SliceThickness = spacing, thickness
    shared = Dataset()
    shared.PlaneOrientationSequence, shared.PixelMeasuresSequence = [orientation], [measures]
    one.SharedFunctionalGroupsSequence = [shared]
    stored, frames = [], []
    for number, (position, values) in enumerate(reversed(planes(directions))):
        slope = slopes[number % 2]
        place, transform, frame = Dataset(), Dataset(), Dataset()
        place.ImagePositionPatient = [float(f"{x:.10g}") for x in position]
        transform.RescaleSlope, transform.RescaleIntercept, transform.RescaleType = slope, -10, "US"
        frame.PlanePositionSequence, frame.PixelValueTransformationSequence = [place], [transform]
        frames.append(frame)
        stored.append(np.round((values + 10) / slope).astype("<u2"))
    one.PerFrameFunctionalGroupsSequence = frames
    one.NumberOfFrames = len(frames)
    one.PixelData = np.stack(stored).tobytes()
    one["PixelData"].VR = "OW"
    return write(one, path)
