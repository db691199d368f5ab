"""Find images: in a folder, a BIDS data set, a CSV file, a MONAI data list or a folder of pictures.

Each function gives a :class:`~monai_minority.data.Cohort`. What it cannot use it rejects with a reason; it
raises only where nothing at all can be read.
"""

import json
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from monai_minority.data.cohort.cohort import Cohort
from monai_minority.data.cohort.dicom_folder import cohort_from_dicom, looks_like_dicom
from monai_minority.data.cohort.tables import named, read_table, some, with_labels
from monai_minority.data.paths import PathLike, Rejection, existing, stem, walk
from monai_minority.keys import Column, Key, Split

VOLUMES = (".nii", ".nii.gz", ".hdr", ".hdr.gz")
PICTURES = (".jpg", ".jpeg", ".png", ".webp")
SECTIONS = {
    "training": Split.TRAIN,
    "train": Split.TRAIN,
    "validation": Split.VALIDATION,
    "val": Split.VALIDATION,
    "test": Split.TEST,
    "testing": Split.TEST,
    "reference": Split.REFERENCE,
}
"""What data lists and folders call the splits."""


def find_cohort(path: PathLike, **options: Any) -> Cohort:
    """Read ``path`` by what it is; ``options`` go to the function chosen.

    A ``.csv`` or ``.tsv`` file: :func:`cohort_from_csv`; ``.json``: :func:`cohort_from_datalist`; a folder
    with ``participants.tsv``: :func:`cohort_from_bids`; with a NIfTI file at any depth:
    :func:`cohort_from_folder`; with a DICOM file at any depth: :func:`cohort_from_dicom`; else:
    :func:`cohort_from_pictures`.
    """
    path = existing(path)
    if path.is_file():
        if path.suffix.lower() == ".json":
            return cohort_from_datalist(path, **options)
        if path.suffix.lower() in (".csv", ".tsv"):
            return cohort_from_csv(path, **options)
        raise ValueError(f"{path} must be a folder or a .csv, .tsv or .json file")
    if (path / "participants.tsv").is_file():
        return cohort_from_bids(path, **options)
    if any(walk(path, VOLUMES, [])):
        return cohort_from_folder(path, **options)
    if any(looks_like_dicom(file) for file in walk(path, ("",), []) if file.suffix.lower() not in PICTURES):
        return cohort_from_dicom(path, **options)
    return cohort_from_pictures(path, **options)


def cohort_from_folder(folder: PathLike, subject_pattern: str | None = None) -> Cohort:
    """All NIfTI volumes under ``folder``, at any depth.

    Args:
        folder: where to look. Hidden files and folders are passed over.
        subject_pattern: regular expression searched in the path below ``folder``; its first group is the
            subject. ``None``: a BIDS-like ``sub-<label>`` in the path, and without one the file is a subject
            of its own.

    Raises:
        FileNotFoundError: there is no such folder.
        ValueError: it holds no NIfTI file, or the pattern has no group.
    """
    folder = existing(folder)
    pattern = re.compile(subject_pattern or r"(sub-[A-Za-z0-9]+)")
    if not pattern.groups:
        raise ValueError(f"subject_pattern must have a group, for instance '(P[0-9]+)_', got {subject_pattern!r}")
    rejected: list[Rejection] = []
    records = []
    for file in walk(folder, VOLUMES, rejected):
        below = file.relative_to(folder).as_posix()
        found = pattern.search(below)
        if found:
            records.append({Key.IMAGE: file, Column.SUBJECT: found[1]})
        elif subject_pattern is None:
            records.append({Key.IMAGE: file, Column.SUBJECT: stem(below)})
        else:
            rejected.append(Rejection(str(file), "", f"the path does not match subject_pattern {subject_pattern!r}"))
    return Cohort.from_records(some(records, folder, "NIfTI file", rejected), rejected)


def cohort_from_bids(folder: PathLike, suffix: str = "T1w", **columns: str) -> Cohort:
    """The images of one suffix of a BIDS data set, joined with ``participants.tsv`` by ``participant_id``.

    Args:
        folder: root of the data set; ``derivatives`` and ``sourcedata`` are passed over.
        suffix: the last part of the file names, for instance ``T1w`` or ``FLAIR``.
        columns: names of ``group``, ``severity`` and ``split`` in ``participants.tsv`` as in
            :func:`cohort_from_csv`.

    A row whose subject has no image, or that repeats a subject, is rejected; an image whose subject has no
    row is kept without labels.
    """
    folder = existing(folder)
    rejected: list[Rejection] = []
    records, others = [], set()
    for file in walk(folder, VOLUMES, rejected, skip=("derivatives", "sourcedata")):
        found = re.search(r"(?:^|/)(sub-[A-Za-z0-9]+)/", file.relative_to(folder).as_posix())
        own = stem(file.name).rpartition("_")[2]
        if found and own == suffix:
            records.append({Key.IMAGE: str(file), Column.SUBJECT: found[1]})
        elif found:
            others.add(own)
    what = f"image with suffix {suffix!r}" + (f" (there are {', '.join(sorted(others))})" if others else "")
    table = pd.DataFrame(some(records, folder, what, rejected))
    labels_path = folder / "participants.tsv"
    if labels_path.is_file():
        table = with_labels(table, labels_path, "participant_id", columns, rejected)
    return Cohort.from_records(table, rejected)


def cohort_from_csv(
    path: PathLike,
    image: str = "image",
    subject: str = "subject",
    group: str | None = None,
    severity: str | None = None,
    split: str | None = None,
) -> Cohort:
    """A row an image from a CSV (or ``.tsv``) file; relative image paths start at the file's folder.

    Args:
        path: the file.
        image: column of the image paths.
        subject: column of the subjects; where each image stands for itself it may be ``image``'s.
        group: column of the groups; ``None``: ``group``, if there is such a column.
        severity: column of a number that rises with severity; a leading minus turns one that falls around
            (``"-hippocampus_mm3"``). ``None``: ``severity``, if there is such a column.
        split: column of the splits; ``None``: ``split``, if there is such a column.

    All other columns come along.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: a named column is absent, or no row is usable.
    """
    path = existing(path)
    table = read_table(path)
    own = named(
        table,
        path,
        {"image": image, "subject": subject, "group": group, "severity": severity, "split": split},
    )
    own[Key.IMAGE] = own[Key.IMAGE].map(lambda p: str(path.parent / p), na_action="ignore")
    return Cohort.from_records(own)


def cohort_from_datalist(datalist: PathLike | Sequence[Mapping[str, Any]], base_dir: PathLike | None = None) -> Cohort:
    """A MONAI data list: dictionaries with ``image`` and, where known, ``subject``, ``group``, ``severity``
    and ``split``.

    Args:
        datalist: the list, or a JSON file with a list or with sections (``training``, ``validation``,
            ``test``) that become splits. A bare path in a section stands for ``{"image": path}``. Without a
            subject an image is its own.
        base_dir: where relative paths start; ``None``: the JSON file's folder, or the working directory for a
            list.
    """
    if isinstance(datalist, str | os.PathLike):
        path = existing(datalist)
        content = json.loads(path.read_text(encoding="utf-8"))
        base = Path(base_dir) if base_dir else path.parent
    else:
        content, base = list(datalist), Path(base_dir or ".")
    sections = content if isinstance(content, dict) else {None: content}
    records = []
    for section, entries in sections.items():
        if not isinstance(entries, list) or (section is not None and section.lower() not in SECTIONS):
            continue  # descriptions, modalities and the like stand beside the lists
        for entry in entries:
            record = dict(entry) if isinstance(entry, Mapping) else {Key.IMAGE: entry}
            file = record.get(Key.IMAGE)
            if section is not None:
                record.setdefault(Column.SPLIT, SECTIONS[section.lower()])
            if file is not None:
                record.setdefault(Column.SUBJECT, stem(str(file)))
                record[Key.IMAGE] = str(base / str(file))
            records.append({str(k): v for k, v in record.items() if k != "label"})
    return Cohort.from_records(records)


def cohort_from_pictures(folder: PathLike, subject_pattern: str | None = None) -> Cohort:
    """JPEG, PNG and WebP pictures under ``folder``; the name of a picture's folder is its group.

    ``class_label`` numbers the groups in alphabetical order from 0. A picture is a subject of its own unless
    ``subject_pattern`` finds one in its path, see :func:`cohort_from_folder`.
    """
    folder = existing(folder)
    rejected: list[Rejection] = []
    files = some(list(walk(folder, PICTURES, rejected)), folder, "JPEG, PNG or WebP picture", rejected)
    labels = {name: label for label, name in enumerate(sorted({file.parent.name for file in files}))}
    records = []
    for file in files:
        below = file.relative_to(folder).as_posix()
        found = re.search(subject_pattern, below) if subject_pattern else None
        if subject_pattern and not found:
            rejected.append(Rejection(str(file), "", f"the path does not match subject_pattern {subject_pattern!r}"))
            continue
        name = found[1] if found else below
        label = labels[file.parent.name]
        records.append(
            {
                Key.IMAGE: file,
                Column.SUBJECT: name,
                Column.GROUP: file.parent.name,
                str(Column.CLASS_LABEL): label,
            }
        )
    return Cohort.from_records(records, rejected)
