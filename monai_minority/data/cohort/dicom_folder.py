"""A cohort of DICOM series, found in a folder by file content."""

import re
from pathlib import Path
from typing import Any

import pandas as pd

from monai_minority.data.cohort.cohort import Cohort
from monai_minority.data.cohort.tables import some, with_labels
from monai_minority.data.paths import PathLike, Rejection, checked_size, existing, walk
from monai_minority.data.volumes.dicom.header import DicomHeader
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
    """The DICOM series under ``folder`` that meet the rules: one image per series, the patient ID as the subject.

    Files are recognised by their content and grouped by patient, study and series, so file names and folders do not
    matter. A DICOMDIR is not needed. The column ``image`` has the first file of each series, and ``files`` has all of
    them. Files that are not DICOM images, series that do not meet the rules, and files that do not belong to the volume
    of their series, such as screenshots and copies, are rejected.

    Args:
        folder: where to look, at any depth. Hidden files and folders are skipped.
        subject_pattern: regular expression that is searched in the path of the first file of a series, relative to
            ``folder``. Its first group is the subject. ``None``: the patient ID, else the patient's name, else the
            study. Texts that name nobody, such as "Anonymous" or "0", do not count.
        labels: CSV or TSV file with one row per subject. Its column ``subject`` has the subjects of this cohort.
        label_columns: names of ``group``, ``severity`` and ``split`` in ``labels``, as in
            :func:`~monai_minority.data.cohort_from_csv`.
        num_workers: number of processes that read headers. ``None`` chooses it by the number of files.
        rules: fields of :class:`~monai_minority.data.SeriesRules`.

    Raises:
        FileNotFoundError: the folder or the table does not exist.
        ValueError: no series is usable, or a rule is unknown.

    Example:
        >>> import shutil, tempfile
        >>> from pydicom import examples
        >>> from monai_minority.data import cohort_from_dicom
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     copied = shutil.copy(examples.get_path("mr"), folder)
        ...     cohort = cohort_from_dicom(folder, minimum_slices=1)
        >>> cohort.table[["subject", "plane"]].iloc[0].tolist()
        ['4MR1', 'axial']
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
        by_rule = bool(reason) and reason != one.problem
        if pattern and not reason:
            found = pattern.search(Path(one.files[0]).relative_to(folder).as_posix())
            reason = "" if found else f"the path does not match subject_pattern {subject_pattern!r}"
            subject = found[1] if found else subject
        if not reason or one.problem:
            rejected += [Rejection(file, subject, why) for file, why in one.left_out]
        if reason:
            text = f"series of {len(one.files)} file(s): {reason}"
            rejected.append(Rejection(one.files[0], subject, text, by_rule=by_rule))
            continue
        records.append(_record(one, subject))
    table = pd.DataFrame(some(records, folder, "usable DICOM series", rejected))
    if labels is not None:
        table = with_labels(table, existing(labels), str(Column.SUBJECT), label_columns or {}, rejected)
    return Cohort.from_records(table, rejected)


def looks_like_dicom(file: Path) -> bool:
    """Whether the ending or the first bytes of a file are those of DICOM, with or without a preamble."""
    if file.suffix.lower() in _ENDINGS or file.name.upper() == "DICOMDIR":
        return True
    try:
        checked_size(file)
        with file.open("rb") as opened:
            start = opened.read(132)
        if start[128:] == b"DICM":
            return True
        # Without a preamble, the first attributes are those of group 0008 (or 0002), in either byte order.
        return start[:2] in (b"\x08\0", b"\x02\0", b"\0\x08", b"\0\x02") and bool(DicomHeader.read(file))
    except (OSError, ValueError):
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
