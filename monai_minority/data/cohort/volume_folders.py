"""Cohorts of volumes in folders: plain folders, cases with several modalities, BIDS data sets and nnU-Net's folders."""

import json
import logging
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from monai_minority.data.cohort.cases import LABEL_MAP, VolumeName, chosen_kinds, is_label_map, kinds_of, names_of
from monai_minority.data.cohort.cohort import Cohort, UnusableDataError, counted
from monai_minority.data.cohort.contents import FolderContents, Kind
from monai_minority.data.cohort.tables import with_labels
from monai_minority.data.paths import PathLike, Rejection, stem
from monai_minority.keys import Column, Key, Split

logger = logging.getLogger(__name__)

NOT_RAW = ("derivatives", "sourcedata")
"""Folders of a BIDS data set that hold no raw images."""
_IMAGE_FOLDERS = {"imagestr": None, "imagests": Split.TEST, "imagesval": Split.VALIDATION, "imagesva": Split.VALIDATION}
_CHANNEL = re.compile(r"(.+)_(\d{4})$")


def cohort_from_folder(
    folder: PathLike | FolderContents, subject_pattern: str | None = None, modality: str | Sequence[str] | None = None
) -> Cohort:
    """The volumes under ``folder``, at any depth: NIfTI, MGH (``.mgz``), NRRD and MetaImage (``.mha``).

    Volumes whose names say that they are label maps or masks are passed over. Where volumes of one case differ in
    modality (``P1/P1_t1.nii.gz``, ``P1/P1_flair.nii.gz``), one has to be chosen.

    Args:
        folder: where to look. Hidden files and folders are skipped.
        subject_pattern: regular expression that is searched in the path relative to ``folder``. Its first group is
            the subject. ``None``: a BIDS-like ``sub-<label>`` in the path is the subject; otherwise files of one case,
            by their names or their folder, are one subject, and any other file is a subject of its own.
        modality: which of several modalities, as the files are named, such as ``t1``; or a list of those to take
            together.

    Raises:
        FileNotFoundError: the folder does not exist.
        ValueError: the folder has no volume, the pattern has no group, or there are several modalities and none is
            chosen.

    Example:
        >>> import tempfile
        >>> from pathlib import Path
        >>> from monai_minority.data import cohort_from_folder
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     for name in ("P1_t1.nii.gz", "P1_flair.nii.gz", "P1_seg.nii.gz", "P2_t1.nii.gz"):
        ...         (Path(folder) / name).touch()
        ...     cohort = cohort_from_folder(folder, modality="t1")
        >>> cohort.table["subject"].tolist(), len(cohort.passed_over)
        (['P1', 'P2'], 2)
    """
    contents = FolderContents.of(folder)
    pattern = re.compile(subject_pattern) if subject_pattern else None
    if pattern and not pattern.groups:
        raise ValueError(f"subject_pattern must have a group, for instance '(P[0-9]+)_', got {subject_pattern!r}")
    rejected = list(contents.unreadable)
    below, passed_over = _images(contents)
    names = names_of(below)
    if not _told_apart(below, names):
        names = [VolumeName(_plain(path), name.kind) for path, name in zip(below, names, strict=True)]
    if pattern:
        found = [pattern.search(path) for path in below]
        rejected += [
            Rejection(str(contents.root / path), "", f"the path does not match subject_pattern {subject_pattern!r}")
            for path, match in zip(below, found, strict=True)
            if not match
        ]
        kept = [n for n, match in enumerate(found) if match]
        below, names = [below[n] for n in kept], [VolumeName(found[n][1], names[n].kind) for n in kept]  # type: ignore[index]
    below, names = _of_modality(contents, below, names, modality, rejected, passed_over)
    records = [
        {Key.IMAGE: contents.root / path, Column.SUBJECT: name.case} for path, name in zip(below, names, strict=True)
    ]
    return _cohort(records, contents, rejected, passed_over, "volumes in folders")


def cohort_from_bids(
    folder: PathLike | FolderContents, suffix: str | None = None, modality: str | None = None, **columns: str
) -> Cohort:
    """The images with one suffix in a BIDS data set, joined with ``participants.tsv`` by ``participant_id``.

    A row is rejected if its subject has no image or is already listed. An image whose subject has no row is kept
    without labels. Images with another suffix are passed over.

    Args:
        folder: root of the data set. ``derivatives`` and ``sourcedata`` are skipped.
        suffix: the last part of the file names, for example ``T1w`` or ``FLAIR``. ``None``: ``T1w``.
        modality: the same, also without regard to case and to a ``w`` at the end: ``t1``.
        columns: names of ``group``, ``severity`` and ``split`` in ``participants.tsv``, as in
            :func:`cohort_from_csv`.

    Raises:
        FileNotFoundError: the folder does not exist.
        ValueError: there is no image with the suffix, ``participants.tsv`` lacks a column, or none of its rows fits an
            image.

    Example:
        >>> import tempfile
        >>> from pathlib import Path
        >>> from monai_minority.data import cohort_from_bids
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     anat = Path(folder) / "sub-01" / "anat"
        ...     anat.mkdir(parents=True)
        ...     (anat / "sub-01_T1w.nii.gz").touch()
        ...     size = (Path(folder) / "participants.tsv").write_text("participant_id\\tdiagnosis\\nsub-01\\tcontrol")
        ...     cohort = cohort_from_bids(folder, group="diagnosis")
        >>> cohort.table[["subject", "group"]].iloc[0].tolist()
        ['sub-01', 'control']
    """
    contents = FolderContents.of(folder, NOT_RAW)
    rejected = list(contents.unreadable)
    passed_over: list[Rejection] = []
    found: list[tuple[Path, str, str]] = []
    for file in contents.files[Kind.VOLUME]:
        subject = re.search(r"(?:^|/)(sub-[^/_.]+)[/_]", file.relative_to(contents.root).as_posix())
        own = stem(file.name).rpartition("_")[2]
        if subject and not re.search(r"_part-(phase|real|imag)_", file.name):
            found.append((file, subject[1], own))
        else:
            why = "it is a phase image or a part of a complex one" if subject else "its path names no sub-<label>"
            passed_over.append(Rejection(str(file), "", f"passed over: {why}"))
    there = Counter(own for _, _, own in found)
    wanted = {suffix or "T1w"}
    if modality is not None:
        wanted = chosen_kinds(modality, there)
    records = []
    for file, subject_name, own in found:
        if own in wanted:
            records.append({Key.IMAGE: str(file), Column.SUBJECT: subject_name})
        else:
            passed_over.append(Rejection(str(file), "", f"passed over: its suffix is {own}, not {_one_of(wanted)}"))
    if not records:
        others = f" (there are {', '.join(sorted(there))})" if there else ""
        choice = f"; choose one with dataset_options={{suffix: {there.most_common(1)[0][0]}}}" if there else ""
        raise UnusableDataError(
            f"there is no image with suffix {_one_of(wanted)!r}{others} under {contents.root}{choice}",
            [*rejected, *passed_over],
        )
    table = pd.DataFrame(records)
    labels_path = participants_of(contents.root)
    if labels_path:
        table = with_labels(table, labels_path, "participant_id", columns, rejected)
        passed_over.append(
            Rejection(str(labels_path), "", "passed over: it is the table of the subjects, which was read")
        )
    elif columns:
        raise ValueError(
            f"{', '.join(columns)} must be {'a column' if len(columns) == 1 else 'columns'} of participants.tsv, but "
            f"{contents.root} has no such table; add it, or leave them out of dataset_options"
        )
    return _cohort(table, contents, rejected, passed_over, "a BIDS data set")


def cohort_from_nnunet(
    folder: PathLike | FolderContents, modality: str | int | None = None, subject_pattern: str | None = None
) -> Cohort:
    """The images of nnU-Net's raw folders, ``imagesTr/<case>_0000.nii.gz``, with one channel of each case.

    ``imagesTs`` are the images of the split ``test``; those of ``imagesTr`` have no split yet. Label folders are passed
    over.

    Args:
        folder: folder with ``imagesTr``, and, if there, ``dataset.json`` with the names of the channels.
        modality: which channel, by its name in ``dataset.json`` or its number. A data set with one channel needs none.
        subject_pattern: as in :func:`cohort_from_folder`. ``None``: a case is a subject.

    Raises:
        FileNotFoundError: the folder does not exist.
        ValueError: there are several channels and none is chosen, or there is no image.

    Example:
        >>> import tempfile
        >>> from pathlib import Path
        >>> from monai_minority.data.cohort.volume_folders import cohort_from_nnunet
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     for name in ("imagesTr/a_0000.nii.gz", "imagesTr/a_0001.nii.gz", "labelsTr/a.nii.gz"):
        ...         (Path(folder) / name).parent.mkdir(exist_ok=True)
        ...         (Path(folder) / name).touch()
        ...     cohort = cohort_from_nnunet(folder, modality=1)
        >>> [Path(file).name for file in cohort.table["image"]], cohort.table["subject"].tolist()
        (['a_0001.nii.gz'], ['a'])
    """
    contents = FolderContents.of(folder)
    rejected = list(contents.unreadable)
    below, passed_over = _images(contents)
    channels = channel_names(contents.root)
    names, splits = [], []
    for path in below:
        found = _CHANNEL.match(stem(path))
        number = found[2] if found else "0000"
        own = re.search(subject_pattern, path) if subject_pattern else None
        case = own[1] if own else found[1] if found else stem(path)
        names.append(VolumeName(case, channels.get(number, number)))
        folders = [part.lower() for part in Path(path).parts[:-1]]
        splits.append(next((_IMAGE_FOLDERS[part] for part in folders if part in _IMAGE_FOLDERS), None))
    of_path = dict(zip(below, splits, strict=True))
    if modality is not None and re.fullmatch(r"\d{1,4}", str(modality)):
        number = f"{int(modality):04d}"
        modality = channels.get(number, number)
    below, names = _of_modality(
        contents, below, names, None if modality is None else str(modality), rejected, passed_over
    )
    records = [
        {Key.IMAGE: contents.root / path, Column.SUBJECT: name.case, Column.SPLIT: of_path[path]}
        for path, name in zip(below, names, strict=True)
    ]
    return _cohort(records, contents, rejected, passed_over, "folders of nnU-Net")


def is_nnunet(contents: FolderContents) -> bool:
    """Whether a folder has nnU-Net's ``imagesTr`` with numbered channels, or its ``dataset.json``."""
    if not (contents.root / "imagesTr").is_dir():
        return False
    inside = [file for file in contents.files[Kind.VOLUME] if file.parent.name.lower() in _IMAGE_FOLDERS]
    numbered = [found for file in inside if (found := _CHANNEL.match(stem(file.name)))]
    return bool(inside) and len(numbered) == len(inside) and any(found[2] == "0000" for found in numbered)


def channel_names(root: Path) -> dict[str, str]:
    """Names of nnU-Net's channels, ``{"0000": "T1"}``, from ``dataset.json``; empty without one."""
    try:
        content = json.loads((root / "dataset.json").read_text(encoding="utf-8-sig"))
        named = content.get("channel_names") or content.get("modality") or {}
        return {f"{int(number):04d}": str(name) for number, name in named.items()}
    except (OSError, ValueError, AttributeError):
        return {}


def participants_of(root: Path) -> Path | None:
    """``participants.tsv`` of a BIDS data set, however its name is capitalised, or the same as CSV."""
    for ending in (".tsv", ".csv"):
        for path in sorted(root.iterdir()):
            if path.name.lower() == f"participants{ending}" and path.is_file():
                return path
    return None


def _images(contents: FolderContents) -> tuple[list[str], list[Rejection]]:
    """Paths of the volumes, relative to the folder, and the label maps, which are passed over."""
    below, labels = [], []
    for file in contents.files[Kind.VOLUME]:
        path = file.relative_to(contents.root).as_posix()
        if is_label_map(path):
            labels.append(Rejection(str(file), "", LABEL_MAP))
        else:
            below.append(path)
    return below, labels


def _plain(below: str) -> str:
    """The subject of a file that belongs to no case: its ``sub-<label>``, or its name."""
    found = re.search(r"(sub-[A-Za-z0-9]+)", below)
    return found[1] if found else stem(below)


def _told_apart(below: Sequence[str], names: Sequence[VolumeName]) -> bool:
    """Whether cases put the files together in another way than their plain names do, or differ in kind."""
    pairs = {(_plain(path), name.case) for path, name in zip(below, names, strict=True)}
    plain, cases = {pair[0] for pair in pairs}, {pair[1] for pair in pairs}
    return not len(pairs) == len(plain) == len(cases) or bool(kinds_of(names))


def _of_modality(
    contents: FolderContents,
    below: Sequence[str],
    names: Sequence[VolumeName],
    modality: str | Sequence[str] | None,
    rejected: list[Rejection],
    passed_over: list[Rejection],
) -> tuple[list[str], list[VolumeName]]:
    """The paths and names of the chosen modality; the others are passed over."""
    kinds = kinds_of(names)
    if modality is None:
        if not kinds:
            return list(below), list(names)
        listed = ", ".join(f"{kind or 'without a modality'} ({count})" for kind, count in kinds.items())
        first = next(filter(None, kinds), "")
        cases = len({name.case for name in names})
        undecided = [Rejection(str(contents.root / path), "", "no modality is chosen") for path in below]
        raise UnusableDataError(
            f"the {cases} cases under {contents.root} hold several kinds of volume: {listed}; choose one "
            f"with dataset_options={{modality: {first}}}. A case is a subject; if these are not kinds but subjects, "
            "say what a subject is with subject_pattern",
            [*rejected, *passed_over, *undecided],
        )
    every = kinds or dict(Counter(name.kind for name in names))
    wanted = chosen_kinds(modality, every)
    kept = [n for n, name in enumerate(names) if name.kind in wanted]
    complete = {names[n].case for n in kept}
    for path, name in zip(below, names, strict=True):
        file = str(contents.root / path)
        if name.kind not in wanted and name.case in complete:
            passed_over.append(Rejection(file, "", f"passed over: it is {name.kind or 'no'} {_one_of(wanted, 'not ')}"))
        elif name.kind not in wanted:
            rejected.append(Rejection(file, name.case, f"the case has no {_one_of(wanted)}"))
    return [below[n] for n in kept], [names[n] for n in kept]


def _one_of(wanted: set[str], before: str = "") -> str:
    return before + " or ".join(sorted(wanted))


def _cohort(
    records: Any, contents: FolderContents, rejected: list[Rejection], passed_over: list[Rejection], layout: str
) -> Cohort:
    if not len(records):
        hint = "".join(f"; {line}" for line in counted(rejected, 3))
        if any(entry.reason == LABEL_MAP for entry in passed_over):
            hint = "; its volumes are label maps by their names. If they are images, list them in a CSV file"
        raise UnusableDataError(f"there is no volume under {contents.root}{hint}", [*rejected, *passed_over])
    return Cohort.from_records(records, rejected, passed_over=passed_over, layout=layout)
