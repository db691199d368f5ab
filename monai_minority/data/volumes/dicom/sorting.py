"""Which files of a series form its volume, and which do not belong to it."""

from collections import Counter
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field

import numpy as np

from monai_minority.data.volumes.dicom.header import DicomHeader
from monai_minority.data.volumes.dicom.stack import DicomStack, stack_frames

# Up to this share of the files of a series may be left out as foreign. With more, it is not clear which are the volume.
_FEW = 0.25
_SAME_DIRECTION = 0.02  # foreign orientations differ by far more; stack_frames is stricter
_SAME_SPACING = 0.01  # share
_MOST_FRAMES = 500  # of a series whose files are tried one by one
_BEYOND = 3.5  # gaps between a stack and a file that lies apart; nearer ones show that slices are missing


@dataclass
class SortedFiles:
    """The files of a series.

    Attributes:
        headers: files that belong together, sorted by path.
        stack: their volumes, or ``None``.
        strays: files that are left out, with the reason.
        problem: why there is no volume; ``""`` if there is one.
    """

    headers: list[DicomHeader]
    stack: DicomStack | None = None
    strays: dict[str, str] = field(default_factory=dict)
    problem: str = ""


def sort_out(headers: Sequence[DicomHeader]) -> SortedFiles:
    """Leave out what does not belong to the volume of a series, so that one foreign or damaged file costs only itself.

    A file is left out if it cannot be used, if it is one of few that differ from the others in kind, matrix,
    orientation, pixel spacing or type of image, or if it alone does not fit into the stack of the others.
    """
    found = SortedFiles(sorted(headers, key=lambda header: header.file))
    total = len(found.headers)
    for header in found.headers:
        if header.problem:
            found.strays[header.file] = header.problem
    found.headers = [header for header in found.headers if not header.problem]
    if not found.headers:
        problem, count = Counter(found.strays.values()).most_common(1)[0]
        found.headers, found.strays = sorted(headers, key=lambda header: header.file), {}
        whole_series = count == total and not problem.startswith("the ")  # of what it is, not of its files
        found.problem = problem if whole_series else f"{count} of its {total} files cannot be used: {problem}"
        return found
    for what, key in _TRAITS.items():
        _leave_out_few(found, f"it differs from the other files of its series in its {what}", key)
    _leave_out_unlike(found)
    if len({header.matrix for header in found.headers}) > 1:
        found.problem = "mixed matrix sizes in one series"
    else:
        _stacked(found)
        if found.problem or (found.stack is not None and len(found.stack.duplicates)):
            _stacked_without_other_images(found)
        if found.problem:
            _stacked_without_one(found)
    if found.problem and found.strays:
        reason = next(iter(found.strays.values()))
        found.problem = f"{len(found.strays)} of its {total} files cannot be used: {reason}; without: {found.problem}"
    return found


_TRAITS: dict[str, Callable[[DicomHeader], Hashable]] = {
    "kind of object": lambda header: header.kind,
    "matrix": lambda header: header.matrix,
}


def _leave_out_few(found: SortedFiles, reason: str, key: Callable[[DicomHeader], Hashable]) -> None:
    counts = Counter(map(key, found.headers))
    common, count = counts.most_common(1)[0]
    if count < len(found.headers) and len(found.headers) - count <= _FEW * len(found.headers):
        _drop(found, [key(header) != common for header in found.headers], reason)


def _leave_out_unlike(found: SortedFiles) -> None:
    """Leave out few files whose geometry is missing or differs from that of all others."""
    lacking = [not np.isfinite(header.geometry[:, :11]).all() for header in found.headers]
    if 0 < sum(lacking) <= _FEW * len(lacking):
        _drop(found, lacking, "it lacks position, orientation or pixel spacing, unlike the other files of its series")
    geometry = np.stack([header.geometry[0] for header in found.headers])
    if not np.isfinite(geometry[:, :11]).all():
        return
    middle = np.median(geometry[:, 3:11], axis=0)  # that of the many, wherever the few lie
    turned = (np.abs(geometry[:, 3:9] - middle[:6]) > _SAME_DIRECTION).any(axis=1)
    scaled = (np.abs(geometry[:, 9:11] - middle[6:]) > _SAME_SPACING * np.abs(middle[6:])).any(axis=1) & ~turned
    for unlike, what in ((turned, "orientation"), (scaled, "pixel spacing")):
        if not 0 < unlike.sum() <= _FEW * len(unlike):
            continue
        named = {header.file for header, one in zip(found.headers, unlike, strict=True) if one}
        reason = f"it differs from the other files of its series in its {what}"
        _drop(found, [header.file in named for header in found.headers], reason)


def _stacked(found: SortedFiles) -> None:
    try:
        found.stack, found.problem = _stack(found.headers), ""
    except ValueError as error:
        found.stack, found.problem = None, str(error)


def _stacked_without_other_images(found: SortedFiles) -> None:
    """Images of another type, echo or acquisition, such as one that was computed from the others."""
    other = SortedFiles(list(found.headers), found.stack, dict(found.strays), found.problem)
    reason = "it differs from the other files of its series in the type of image"
    _leave_out_few(other, reason, lambda header: (header.image_type, *header.order[0, [0, 2]]))
    if len(other.headers) == len(found.headers):
        return
    _stacked(other)
    if not other.problem:
        found.headers, found.stack, found.strays, found.problem = other.headers, other.stack, other.strays, ""


def _stacked_without_one(found: SortedFiles) -> None:
    """A single file without which the others form a stack, if there is exactly one and it is no end of that stack."""
    if not 3 < len(found.headers) <= _MOST_FRAMES or any(len(header.geometry) > 1 for header in found.headers):
        return
    fitting = []
    for number in range(len(found.headers)):
        rest = found.headers[:number] + found.headers[number + 1 :]
        try:
            stack = _stack(rest)
        except ValueError:
            continue
        fitting.append((number, rest, stack))
        if len(fitting) > 1:
            return
    if not fitting:
        return
    number, rest, stack = fitting[0]
    if _lies_on(stack, found.headers[number].geometry[0, :3]):
        return
    found.strays[found.headers[number].file] = "it does not fit into the stack of the other files of its series"
    found.headers, found.stack, found.problem = rest, stack, ""


def _lies_on(stack: DicomStack, position: np.ndarray) -> bool:
    """Whether a position (LPS) continues a stack after a few missing slices."""
    place = np.linalg.solve(stack.affine, [*(position * [-1, -1, 1]), 1.0])
    beyond = max(-place[2], place[2] - (len(stack.places) - 1))
    return bool(np.abs(place[:2]).max() < 0.25 and 0 < beyond <= _BEYOND)


def _stack(headers: Sequence[DicomHeader]) -> DicomStack:
    order = np.concatenate([header.order for header in headers])
    return stack_frames(np.concatenate([header.geometry for header in headers]), order, headers[0].thickness)


def _drop(found: SortedFiles, foreign: Sequence[bool], reason: str) -> None:
    found.strays |= {header.file: reason for header, one in zip(found.headers, foreign, strict=True) if one}
    found.headers = [header for header, one in zip(found.headers, foreign, strict=True) if not one]
