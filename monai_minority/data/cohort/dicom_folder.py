"""A cohort of DICOM series, found in a folder by file content."""

import re
from pathlib import Path
from typing import Any

import pandas as pd

from monai_minority.data.cohort.cohort import Cohort, UnusableDataError, counted
from monai_minority.data.cohort.contents import FolderContents
from monai_minority.data.cohort.tables import with_labels
from monai_minority.data.paths import PathLike, Rejection, existing
from monai_minority.data.volumes.dicom.rules import SeriesRules
from monai_minority.data.volumes.dicom.series import DicomSeries, group_series
from monai_minority.keys import Column, Key


def cohort_from_dicom(
    folder: PathLike | FolderContents,
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
    contents = FolderContents.of(folder)
    folder, rejected = contents.root, list(contents.unreadable)
    pattern = re.compile(subject_pattern) if subject_pattern else None
    if pattern and not pattern.groups:
        raise ValueError(f"subject_pattern must have a group, for instance '(P[0-9]+)/', got {subject_pattern!r}")
    chosen = SeriesRules.of(**rules)
    series, unread = group_series(contents.perhaps_dicom, num_workers)
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
    if not records:
        hint = "".join(f"; {line}" for line in counted(rejected, 3))  # without names of files, which may identify
        raise UnusableDataError(f"there is no usable DICOM series under {folder}{hint}", rejected)
    table = pd.DataFrame(records)
    if labels is not None:
        table = with_labels(table, existing(labels), str(Column.SUBJECT), label_columns or {}, rejected)
    return Cohort.from_records(table, rejected, layout="DICOM series")


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
