"""Group DICOM files into series, and describe and check each series by its headers."""

import os
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from torch.utils.data import DataLoader, Dataset

from monai_minority.data.paths import Rejection
from monai_minority.data.volumes.dicom.header import DicomHeader
from monai_minority.data.volumes.dicom.stack import DicomStack, stack_frames

PLANES = ("sagittal", "coronal", "axial")
_LOCALISER = re.compile(r"locali[sz]er|scout|survey|pilot", re.IGNORECASE)
_CHUNK = 64  # files per task: reading a header is cheap compared with starting a task
_MANY = 2000  # with more files than this, starting processes pays off


@dataclass(frozen=True)
class DicomSeries:
    """One series.

    Attributes:
        files: sorted paths of the files.
        subject: the patient. It is identifying, and ``study`` and ``uid`` may be.
        study: study instance UID.
        uid: series instance UID.
        modality: for example ``MR``.
        description: series description, with the patient's name and ID struck out.
        acquisition: ``3D``, ``2D`` or ``""``.
        matrix: number of rows and of columns.
        slices: number of slices.
        volumes: number of images per slice position.
        spacing: distance of columns, rows and slices in mm.
        plane: the plane nearest to the slices: ``axial``, ``coronal`` or ``sagittal``.
        tilt: angle in degrees between the slices and that plane.
        gaps: smallest and largest distance of slices in mm.
        duplicates: files that repeat slices and are left out.
        problem: the reason why the series is not a volume; ``""`` if it is one.
    """

    files: tuple[str, ...]
    subject: str
    study: str
    uid: str
    modality: str
    description: str
    acquisition: str
    matrix: tuple[int, int]
    slices: int
    volumes: int = 1
    spacing: tuple[float, float, float] = (float("nan"),) * 3
    plane: str = ""
    tilt: float = float("nan")
    gaps: tuple[float, float] = (float("nan"),) * 2
    duplicates: tuple[str, ...] = ()
    problem: str = ""

    @classmethod
    def of(cls, headers: Sequence[DicomHeader]) -> "DicomSeries":
        """Describe the files of one series."""
        headers = sorted(headers, key=lambda header: header.file)
        first = headers[0]
        series = cls(
            files=tuple(header.file for header in headers),
            subject=first.subject,
            study=first.study,
            uid=first.series,
            modality=first.modality,
            description=_struck_out(first),
            acquisition=first.acquisition,
            matrix=first.matrix,
            slices=sum(len(header.geometry) for header in headers),
        )
        problem = _problem(headers)
        if problem:
            return replace(series, problem=problem)
        try:
            order = np.concatenate([header.order for header in headers])
            stack = stack_frames(np.concatenate([h.geometry for h in headers]), order, first.thickness)
        except ValueError as error:
            return replace(series, problem=str(error))
        return _described(series, headers, stack)


def group_series(files: Iterable[Path], num_workers: int | None = None) -> tuple[list[DicomSeries], list[Rejection]]:
    """Read the header of each file once and group the DICOM files by series.

    Args:
        files: files of any kind, in any order.
        num_workers: number of processes that read. ``None``: for many files, all processors but one, at most 8.

    Returns:
        The series, sorted by subject, study and first file, and the files that belong to no series. DICOMDIR files
        are in neither list.
    """
    paths = list(map(str, files))
    if num_workers is None:
        num_workers = min(8, (os.cpu_count() or 1) - 1) if len(paths) > _MANY else 0
    loader = DataLoader(_Headers(paths), batch_size=None, num_workers=num_workers, collate_fn=_as_is)
    groups: dict[str, list[DicomHeader]] = {}
    rejected = []
    for chunk in loader:
        for path, header in chunk:
            if isinstance(header, DicomHeader):
                groups.setdefault(header.series, []).append(header)
            elif not Path(path).name.upper().startswith("DICOMDIR"):
                rejected.append(Rejection(path, "", header))
    series = []
    for uid in list(groups):
        series.append(DicomSeries.of(groups.pop(uid)))
    return sorted(series, key=lambda s: (s.subject, s.study, s.files)), rejected


class _Headers(Dataset):
    """Chunks of files: each file with its header, or with the reason why it cannot be read."""

    def __init__(self, paths: list[str]) -> None:
        self._chunks = [paths[start : start + _CHUNK] for start in range(0, len(paths), _CHUNK)]

    def __len__(self) -> int:
        return len(self._chunks)

    def __getitem__(self, index: int) -> list[tuple[str, DicomHeader | str]]:
        return [(path, _header(path)) for path in self._chunks[index]]


def _header(path: str) -> DicomHeader | str:
    try:
        return DicomHeader.read(path)
    except OSError as error:
        return f"the file cannot be read: {error.strerror}"
    except ValueError as error:
        return str(error)
    except Exception as error:  # one bad file must not stop the others
        return f"the DICOM header is damaged ({type(error).__name__})"


def _problem(headers: Sequence[DicomHeader]) -> str:
    """The problem of a series that is visible without its geometry, or ``""``."""
    first = headers[0]
    kinds = {kind.upper() for header in headers for kind in header.image_type}
    if "LOCALIZER" in kinds or _LOCALISER.search(first.description):
        return "a localiser"
    if "MOSAIC" in kinds:
        return "a mosaic with many slices in one image; convert it to NIfTI"
    if len({header.subject for header in headers}) > 1:
        return "the files of one series name several patients"
    bad = [header.problem for header in headers if header.problem]
    if bad:
        return f"{len(bad)} of its {len(headers)} files cannot be used: {bad[0]}"
    if len({header.matrix for header in headers}) > 1:
        return "mixed matrix sizes in one series"
    frames = sum(len(header.geometry) for header in headers)
    if first.expected > frames and len({header.order[0, 2] for header in headers}) == 1:
        return f"the transfer is incomplete: {frames} of the acquisition's {first.expected} images are present"
    return ""


def _described(series: DicomSeries, headers: Sequence[DicomHeader], stack: DicomStack) -> DicomSeries:
    axes = stack.affine[:3, :3] / stack.spacing
    normal = np.cross(axes[:, 0], axes[:, 1])
    nearest = int(np.abs(normal).argmax())
    owners = np.repeat(np.arange(len(headers)), [len(header.geometry) for header in headers])
    repeated = sorted({int(owners[frame]) for frame in stack.duplicates} - set(owners[stack.frames.ravel()].tolist()))
    gaps = stack.gaps if len(stack.gaps) else np.full(1, np.nan)
    columns, rows, slices = map(float, stack.spacing)
    return replace(
        series,
        files=tuple(header.file for number, header in enumerate(headers) if number not in repeated),
        slices=len(stack.places),
        volumes=len(stack.frames),
        spacing=(columns, rows, slices),
        plane=PLANES[nearest],
        tilt=float(np.degrees(np.arccos(min(1.0, abs(normal[nearest]) / np.linalg.norm(normal))))),
        gaps=(float(gaps.min()), float(gaps.max())),
        duplicates=tuple(headers[number].file for number in repeated),
    )


def _struck_out(header: DicomHeader) -> str:
    """The description without parts of the patient's name and ID, which operators sometimes type into it."""
    text = header.description
    parts = [*header.name.replace("^", " ").replace("=", " ").split(), *header.subject.split()]
    for part in sorted(parts, key=len, reverse=True):
        if len(part) > 2:
            start = text.lower().find(part.lower())
            while start >= 0:
                text = text[:start] + "***" + text[start + len(part) :]
                start = text.lower().find(part.lower(), start + 3)
    return text


def _as_is(chunk: Any) -> Any:
    return chunk
