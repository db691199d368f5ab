"""What a DICOM folder holds, in a table that can be shown: nothing of the patients unless asked for."""

from typing import Any

import numpy as np
import pandas as pd

from monai_minority.data.paths import PathLike, Rejection, existing, walk
from monai_minority.data.volumes.dicom.rules import SeriesRules
from monai_minority.data.volumes.dicom.series import DicomSeries, group_series

USED = "used"


def inspect_dicom(
    folder: PathLike, names: bool = False, num_workers: int | None = None, **rules: Any
) -> tuple[pd.DataFrame, pd.Series]:
    """Describe every DICOM series under a folder and say whether the rules would use it.

    Args:
        folder: where to look, at any depth.
        names: also give the subject and the first file of each series, which identify; without it subjects and studies
            are numbered, and the parts of names and IDs in descriptions are struck out.
        num_workers: processes that read headers; ``None``: as fits the number of files.
        rules: of :class:`~monai_minority.data.SeriesRules`, as they stand in the configuration.

    Returns:
        A row a series: ``subject``, ``study``, ``modality``, ``description``, ``matrix`` (columns x rows), ``spacing``
        (columns x rows x slices, mm), ``orientation`` (plane and tilt in degrees), ``slices`` (x volumes), ``gaps``
        (mm), ``files``, ``verdict`` (``used``, or why not). And the number of other files by what they are.

    Raises:
        FileNotFoundError: there is no such folder.
        ValueError: an unknown rule.
    """
    chosen = SeriesRules.of(**rules)
    rejected: list[Rejection] = []
    series, unread = group_series(walk(existing(folder), ("",), rejected), num_workers)
    # Numbered in the order of the table.
    subjects = {name: number for number, name in enumerate(dict.fromkeys(one.subject for one in series), 1)}
    studies = {name: number for number, name in enumerate(dict.fromkeys(one.study for one in series), 1)}
    rows = []
    for one in series:
        row: dict[str, Any] = {"subject": subjects[one.subject], "study": studies[one.study]}
        if names:
            row = {"subject": one.subject, "study": studies[one.study], "first file": one.files[0]}
        rows.append(row | _described(one) | {"verdict": chosen.refusal(one) or USED})
    others = pd.Series([entry.reason for entry in rejected + unread], dtype=object).value_counts()
    return pd.DataFrame(rows), others


def _described(series: DicomSeries) -> dict[str, Any]:
    rows, columns = series.matrix
    known = bool(series.plane)
    low, high = series.gaps
    gaps = "" if not np.isfinite(low) else f"{low:.4g}" if high - low < 0.005 * high else f"{low:.4g} to {high:.4g}"
    return {
        "modality": series.modality,
        "description": series.description,
        "matrix": f"{columns} x {rows}",
        "spacing": " x ".join(f"{size:.3g}" for size in series.spacing) if known else "",
        "orientation": f"{series.plane} {series.tilt:.0f}" if known else "",
        "slices": f"{series.slices}" + (f" x {series.volumes}" if series.volumes > 1 else ""),
        "gaps": gaps,
        "files": len(series.files) + len(series.duplicates),
    }
