"""A table of the series in a DICOM folder. It has no patient data unless names are requested."""

import re
from typing import Any

import numpy as np
import pandas as pd

from monai_minority.data.paths import PathLike, Rejection, existing, walk
from monai_minority.data.volumes.dicom.rules import SeriesRules
from monai_minority.data.volumes.dicom.series import DicomSeries, group_series

USED = "used"
# Words that hold a long number, a date or a year: accession numbers and birth dates.
_IDENTIFIER = re.compile(r"[^\s,;]*(\d{5}|(?<!\d)(19|20)\d\d(?!\d)|\d{1,4}[-./_]\d{1,2}[-./_]\d{1,4}|[\^@])[^\s,;]*")


def inspect_dicom(
    folder: PathLike, names: bool = False, num_workers: int | None = None, **rules: Any
) -> tuple[pd.DataFrame, pd.Series]:
    """Describe every DICOM series under a folder, and whether the rules accept it.

    Args:
        folder: where to look, at any depth.
        names: also show the subject and the first file of each series, which are identifying. Otherwise subjects and
            studies are numbered, and in descriptions the parts of names and IDs and all words with long numbers or
            dates are struck out.
        num_workers: number of processes that read headers. ``None`` chooses it by the number of files.
        rules: fields of :class:`~monai_minority.data.SeriesRules`, as in the configuration.

    Returns:
        A table with one row per series: ``subject``, ``study``, ``modality``, ``description``, ``matrix``
        (columns x rows), ``spacing`` (columns x rows x slices, mm), ``orientation`` (plane and tilt in degrees),
        ``slices`` (x volumes), ``gaps`` (mm), ``files`` and ``verdict`` (``used``, or the reason for rejection).
        Also the number of other files by reason.

    Raises:
        FileNotFoundError: the folder does not exist.
        ValueError: a rule is unknown.

    Example:
        >>> import shutil, tempfile
        >>> from pydicom import examples
        >>> from monai_minority.data import inspect_dicom
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     copied = shutil.copy(examples.get_path("mr"), folder)
        ...     series, others = inspect_dicom(folder, minimum_slices=10)
        >>> series[["modality", "matrix", "verdict"]].iloc[0].tolist()
        ['MR', '64 x 64', 'it must have at least 10 slices, got 1']
    """
    chosen = SeriesRules.of(**rules)
    rejected: list[Rejection] = []
    series, unread = group_series(walk(existing(folder), ("",), rejected), num_workers)
    # Numbers follow the order of the table.
    subjects = {name: number for number, name in enumerate(dict.fromkeys(one.subject for one in series), 1)}
    studies = {name: number for number, name in enumerate(dict.fromkeys(one.study for one in series), 1)}
    rows = []
    for one in series:
        row: dict[str, Any] = {"subject": subjects[one.subject], "study": studies[one.study]}
        if names:
            row = {"subject": one.subject, "study": studies[one.study], "first file": one.files[0]}
        rows.append(row | _described(one, names) | {"verdict": chosen.refusal(one) or USED})
    others = pd.Series([entry.reason for entry in rejected + unread], dtype=object).value_counts()
    return pd.DataFrame(rows), others


def _described(series: DicomSeries, names: bool) -> dict[str, Any]:
    rows, columns = series.matrix
    known = bool(series.plane)
    low, high = series.gaps
    gaps = "" if not np.isfinite(low) else f"{low:.4g}" if high - low < 0.005 * high else f"{low:.4g} to {high:.4g}"
    return {
        "modality": series.modality,
        "description": series.description if names else _IDENTIFIER.sub("***", series.description),
        "matrix": f"{columns} x {rows}",
        "spacing": " x ".join(f"{size:.3g}" for size in series.spacing) if known else "",
        "orientation": f"{series.plane} {series.tilt:.0f}" if known else "",
        "slices": f"{series.slices}" + (f" x {series.volumes}" if series.volumes > 1 else ""),
        "gaps": gaps,
        "files": len(series.files) + len(series.left_out),
    }
