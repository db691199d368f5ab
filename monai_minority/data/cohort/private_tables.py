"""The one table that names subjects and files, and its public part."""

import os
from collections.abc import Mapping, Sequence

import pandas as pd

from monai_minority.data.cohort.pseudonyms import Pseudonyms
from monai_minority.data.cohort.reasons import reason_code
from monai_minority.data.paths import Rejection, printable
from monai_minority.files import write_csv
from monai_minority.keys import Column, Key

REJECTED = "rejected"
"""Column of ``cohort.csv``: the reason for rejection; empty if the file is used."""

BY_RULE = "by_rule"
"""Column of both tables: whether the series is sound, and left out by a rule of the user alone."""


def write_private_tables(
    table: pd.DataFrame,
    unread: Mapping[int, str],
    rejected: Sequence[Rejection],
    pseudonyms: Pseudonyms,
    cohort_path: str | os.PathLike[str],
    rejected_path: str | os.PathLike[str],
    passed_over: Sequence[Rejection] = (),
) -> None:
    """Write ``cohort.csv``, the only table that names subjects and files, and ``rejected.csv`` with their pseudonyms.

    Args:
        table: table of the cohort with the columns ``source`` and ``pseudonym``.
        unread: row of the table to the reason why its file could not be used.
        rejected: entries that are not in the table.
        pseudonyms: pseudonyms of the cohort.
        cohort_path: file with one row per image and per rejected entry. Its column ``rejected`` has the reason.
        rejected_path: file with ``source`` (as in ``cohort.csv``), ``subject`` (a pseudonym, empty if unknown),
            ``reason``, which is one of :data:`~monai_minority.data.cohort.reasons.CODES`, and ``by_rule``. Without
            rejected entries it has only a header.
        passed_over: files that are no images of the cohort; they are in ``cohort.csv`` alone.

    Example:
        >>> import tempfile
        >>> from pathlib import Path
        >>> from monai_minority.data import Pseudonyms, cohort_from_folder, write_private_tables
        >>> with tempfile.TemporaryDirectory() as name:
        ...     folder = Path(name)
        ...     (folder / "sub-Jane.nii").touch()
        ...     pseudonyms = Pseudonyms(folder / "cohort.key")
        ...     table = cohort_from_folder(folder).pseudonymized(pseudonyms)
        ...     unread = {0: "sub-Jane.nii is truncated"}
        ...     write_private_tables(table, unread, [], pseudonyms, folder / "cohort.csv", folder / "rejected.csv")
        ...     "Jane" in (folder / "cohort.csv").read_text(), "Jane" in (folder / "rejected.csv").read_text()
        (True, False)
    """
    source, image, subject = str(Column.SOURCE), str(Key.IMAGE), str(Column.SUBJECT)
    own = table.drop(columns=str(Key.FILES), errors="ignore").assign(
        **{REJECTED: [unread.get(row, "") for row in range(len(table))], BY_RULE: False}
    )
    entries = [*rejected, *passed_over]
    others = pd.DataFrame(
        {
            source: [pseudonyms(f"{entry.file} {entry.subject}", prefix="file-") for entry in entries],
            "pseudonym": [pseudonyms(entry.subject) if entry.subject else "" for entry in entries],
            image: [entry.file for entry in entries],
            subject: [entry.subject for entry in entries],
            REJECTED: [entry.reason for entry in entries],
            BY_RULE: [entry.by_rule for entry in entries],
        }
    )
    cohort = pd.concat([own, others.astype(object)], ignore_index=True) if entries else own
    # Paths stay as they are; a stage reads them.
    shown = cohort.assign(**{name: cohort[name].map(printable) for name in cohort.columns.drop(image)})
    write_csv(shown, cohort_path, mode=0o600)
    left_out = cohort[: len(own) + len(rejected)]
    left_out = left_out[left_out[REJECTED] != ""]
    public = pd.DataFrame(
        {
            source: left_out[source],
            subject: left_out["pseudonym"],
            "reason": [reason_code(str(reason)) for reason in left_out[REJECTED]],
            BY_RULE: left_out[BY_RULE],
        }
    )
    write_csv(public, rejected_path)
