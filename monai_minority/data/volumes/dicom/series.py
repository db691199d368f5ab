"""Group DICOM files into series, and describe and check each series by its headers."""

import os
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from torch.utils.data import DataLoader, Dataset

from monai_minority.data.paths import Rejection
from monai_minority.data.volumes.dicom.header import LOCALISER, DicomHeader, Person
from monai_minority.data.volumes.dicom.patients import name_subjects, told_apart
from monai_minority.data.volumes.dicom.sorting import SortedFiles, sort_out

PLANES = ("sagittal", "coronal", "axial")
# The word in a description tells a localiser only where there are few slices: it may be the name of a study. Siemens'
# AutoAlign scout has many slices and nothing else that tells.
_LOCALISER = re.compile(r"locali[sz]er|scout|survey|pilot", re.IGNORECASE)
_AUTO_ALIGN = re.compile(r"aa\w*scout", re.IGNORECASE)
_FEW_SLICES = 20
_DUPLICATE = "the file repeats a slice of its series and is left out"
_CHUNK = 64  # files per task: reading a header is cheap compared with starting a task
_MANY = 2000  # with more files than this, starting processes pays off


@dataclass(frozen=True)
class DicomSeries:
    """One series.

    Attributes:
        files: sorted paths of the files of the volume, or of all files if there is none.
        person: what the headers say about the patient. It is identifying.
        subject: the patient, see :func:`~monai_minority.data.volumes.dicom.patients.name_subjects`. It is identifying,
            and ``study`` and ``uid`` may be.
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
        left_out: files of the series that are not part of the volume, with the reason.
        problem: the reason why the series is not a volume; ``""`` if it is one.
    """

    files: tuple[str, ...]
    person: Person
    study: str
    uid: str
    modality: str
    description: str
    acquisition: str
    matrix: tuple[int, int]
    slices: int
    subject: str = ""
    volumes: int = 1
    spacing: tuple[float, float, float] = (float("nan"),) * 3
    plane: str = ""
    tilt: float = float("nan")
    gaps: tuple[float, float] = (float("nan"),) * 2
    left_out: tuple[tuple[str, str], ...] = ()
    problem: str = ""

    @classmethod
    def of(cls, headers: Sequence[DicomHeader], acquired: int = 0) -> "DicomSeries":
        """Describe the files of one series.

        Args:
            headers: the files.
            acquired: number of images of the same acquisition in all series together.
        """
        found = sort_out(headers)
        first = found.headers[0]
        series = cls(
            files=tuple(header.file for header in found.headers),
            person=first.person,
            study=first.study,
            uid=first.series,
            modality=first.modality,
            description=_struck_out(first),
            acquisition=first.acquisition,
            matrix=first.matrix,
            slices=sum(len(header.geometry) for header in found.headers),
            left_out=tuple(found.strays.items()),
            problem=found.problem,
        )
        few = series.slices < _FEW_SLICES or found.stack is None
        if (few and _LOCALISER.search(first.description)) or _AUTO_ALIGN.search(first.description):
            return replace(series, problem=LOCALISER)
        if found.stack is None:
            return series
        frames = sum(len(header.geometry) for header in headers)
        if first.expected > max(frames, acquired) and _acquisition(headers) is not None:
            problem = f"the transfer is incomplete: {frames} of the acquisition's {first.expected} images are present"
            return replace(series, problem=problem)
        return _described(series, found)


def group_series(files: Iterable[Path], num_workers: int | None = None) -> tuple[list[DicomSeries], list[Rejection]]:
    """Read the header of each file once and group the DICOM files by patient, study and series.

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
    loader = DataLoader(_Headers(paths), batch_size=None, num_workers=num_workers)
    groups: dict[str, list[DicomHeader]] = {}
    rejected = []
    for chunk in loader:
        for path, header in chunk:
            if isinstance(header, DicomHeader):
                groups.setdefault(header.series, []).append(header)
            elif not Path(path).name.upper().startswith("DICOMDIR"):
                rejected.append(Rejection(path, "", header))
    volumes = [part for group in groups.values() for part in _parts(group)]
    acquired: Counter = Counter()
    for headers in volumes:
        acquired[_acquisition(headers)] += sum(len(header.geometry) for header in headers)
    series = [DicomSeries.of(headers, acquired[_acquisition(headers)]) for headers in volumes]
    subjects = name_subjects([one.person for one in series], [one.study or one.uid for one in series])
    series = [replace(one, subject=subject) for one, subject in zip(series, subjects, strict=True)]
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


def _parts(headers: list[DicomHeader]) -> Iterator[list[DicomHeader]]:
    """The volumes that share a series UID: of several patients, studies, matrices, or, if that is all, folders."""
    for patient in _split(headers, told_apart([header.person for header in headers])):
        studies = list(_split(patient, [header.study or None for header in patient]))
        whole = [sort_out(part) for part in studies] if len(studies) > 1 else []
        # Some programs give each file a study of its own; then no study is whole.
        for study in studies if any(part.stack and len(part.stack.places) > 1 for part in whole) else [patient]:
            for matrix in _split(study, [header.matrix for header in study], fewest=10):
                yield from _by_folder(matrix)


def _split(headers: list[DicomHeader], keys: Sequence[Any], fewest: int = 1) -> Iterator[list[DicomHeader]]:
    """The files by key. Those without a key, and parts of fewer files than ``fewest``, stay with the largest part."""
    parts = defaultdict(list)
    for header, key in zip(headers, keys, strict=True):
        parts[key].append(header)
    if len(parts) == 1:
        yield headers
        return
    largest = max((key for key in parts if key is not None), key=lambda key: len(parts[key]))
    if len(parts) == 2 and None in parts:
        yield headers
        return
    for key in [key for key, part in parts.items() if key not in (largest, None) and len(part) < fewest]:
        parts[largest] += parts.pop(key)
    yield from parts.values()


def _by_folder(headers: list[DicomHeader]) -> Iterator[list[DicomHeader]]:
    """Tell different images with the same numbers and positions apart by folder: an anonymiser made all UIDs equal."""
    folders = defaultdict(list)
    for header in headers:
        folders[Path(header.file).parent].append(header)
    taken: dict[bytes, str] = {}
    clash = False
    for header in headers if len(folders) > 1 else []:
        place = np.concatenate([header.geometry[:, :3], header.order], axis=1).round(2).tobytes()
        clash = clash or taken.setdefault(place, header.instance) != header.instance
    if not clash:
        yield headers
        return
    for folder, own in folders.items():
        yield [replace(header, study=f"{header.study} {folder.name}") for header in own]


def _acquisition(headers: Sequence[DicomHeader]) -> tuple | None:
    """What the reconstructions of one acquisition share; ``None`` if the files name several acquisitions."""
    numbers = {float(header.order[0, 2]) for header in headers}
    first = headers[0]
    return (first.study, first.matrix, first.expected, *numbers) if len(numbers) == 1 else None


def _described(series: DicomSeries, found: SortedFiles) -> DicomSeries:
    stack, headers = found.stack, found.headers
    assert stack is not None
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
        left_out=(*series.left_out, *((headers[number].file, _DUPLICATE) for number in repeated)),
    )


def _struck_out(header: DicomHeader) -> str:
    """The description without parts of the patient's name and ID, which operators sometimes type into it.

    Parts of two letters count where they stand alone; shorter ones are no names.
    """
    text, person = header.description, header.person
    words = re.split(r"[\s^=,]+", f"{person.name} {person.patient_id}")
    for part in sorted({word for word in words if len(word) > 1}, key=len, reverse=True):
        edge = r"(?<![^\W_])", r"(?![^\W_])"
        alone = f"{edge[0]}{re.escape(part)}{edge[1]}" if len(part) == 2 else re.escape(part)
        text = re.sub(alone, "***", text, flags=re.IGNORECASE)
    return text
