"""A cohort of DICOM series, wherever in a folder their files lie and whatever they are called."""

import re
from pathlib import Path
from typing import Any

import pandas as pd

from monai_minority.data.cohort.cohort import Cohort
from monai_minority.data.cohort.tables import some, with_labels
from monai_minority.data.paths import PathLike, Rejection, existing, walk
from monai_minority.data.volumes.dicom.rules import SeriesRules
from monai_minority.data.volumes.dicom.series import DicomSeries, group_series
from monai_minority.keys import Column, Key

_ENDINGS = (".dcm", ".dicom", ".ima")


def cohort_from_dicom(
    folder: PathLike,
    subject_pattern: str | None = None,
    labels: PathLike | None = None,
    label_columns: dict[str, str] | None = None,
    num_workers: int | None = None,
    **rules: Any,
) -> Cohort:
    """The DICOM series under ``folder`` that meet the rules, one image a series, the patient ID as the subject.

    Files are told by their content and grouped by series, so neither their names nor their folders matter. A DICOMDIR
    is not needed. Each image is the path of the first file of its series, and ``files`` has them all.

    Args:
        folder: where to look. Hidden files and folders are passed over.
        subject_pattern: regular expression searched in the path of a series' first file below ``folder``; its first
            group is the subject. ``None``: the patient ID is, or without one the patient's name, or the study.
        labels: CSV or TSV file with a row a subject, its column ``subject`` as the subjects here.
        label_columns: names of ``group``, ``severity`` and ``split`` in it, as in
            :func:`~monai_minority.data.cohort_from_csv`.
        num_workers: processes that read headers; ``None``: as fits the number of files.
        rules: of :class:`~monai_minority.data.SeriesRules`.

    Files that are no DICOM image, series that the rules refuse and slices that are there twice are rejected.

    Raises:
        FileNotFoundError: there is no such folder or table.
        ValueError: no series is usable, or unknown rules.
    """
    folder = existing(folder)
    rejected: list[Rejection] = []
    pattern = re.compile(subject_pattern) if subject_pattern else None
    if pattern and not pattern.groups:
        raise ValueError(f"subject_pattern must have a group, for instance '(P[0-9]+)/', got {subject_pattern!r}")
    chosen = SeriesRules.of(**rules)
    series, unread = group_series(walk(folder, ("",), rejected), num_workers)
    rejected += unread
    records = []
    for one in series:
        reason, subject = chosen.refusal(one), one.subject
        if pattern and not reason:
            found = pattern.search(Path(one.files[0]).relative_to(folder).as_posix())
            reason = "" if found else f"the path does not match subject_pattern {subject_pattern!r}"
            subject = found[1] if found else subject
        if reason:
            rejected.append(Rejection(one.files[0], subject, f"series of {len(one.files)} file(s): {reason}"))
            continue
        rejected += [
            Rejection(file, subject, "the slice is there already; this copy is left out") for file in one.duplicates
        ]
        records.append(_record(one, subject))
    table = pd.DataFrame(some(records, folder, "usable DICOM series", rejected))
    if labels is not None:
        table = with_labels(table, existing(labels), str(Column.SUBJECT), label_columns or {}, rejected)
    return Cohort.from_records(table, rejected)


def looks_like_dicom(file: Path) -> bool:
    """Whether a file is DICOM by its first bytes or its ending."""
    if file.suffix.lower() in _ENDINGS or file.name.upper() == "DICOMDIR":
        return True
    try:
        with file.open("rb") as opened:
            return opened.read(132)[128:] == b"DICM"
    except OSError:
        return False


def _record(series: DicomSeries, subject: str) -> dict[str, Any]:
    return {
        str(Key.IMAGE): series.files[0],
        str(Key.FILES): series.files,
        str(Column.SUBJECT): subject,
        "series_uid": series.uid,
        "description": series.description,
        "plane": series.plane,
        "slices": series.slices,
        "volumes": series.volumes,
    }
