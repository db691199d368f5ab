"""The subjects and images of a data set, and the rejected entries with their reasons."""

import logging
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

import pandas as pd

from monai_minority.data.cohort.pseudonyms import Pseudonyms
from monai_minority.data.paths import Rejection
from monai_minority.keys import Column, Key

logger = logging.getLogger(__name__)

STANDARD_COLUMNS = (Key.IMAGE, Column.SUBJECT, Column.GROUP, Column.SEVERITY, Column.SPLIT)


@dataclass(frozen=True)
class Cohort:
    """A table of images, and the entries that were rejected.

    Attributes:
        table: one row per image: ``image`` (path), ``subject``, ``group``, ``severity`` (number, higher is more
            severe), ``split`` and any further columns of the source. Unknown values are missing. The table contains
            identifying names.
        rejected: entries that are not in the table, with their reasons.
        images: for data sets with many images in one file, a sequence of images that
            :class:`~monai_minority.transforms.LoadPictured` accepts. The column ``image`` then holds indices instead
            of paths.

    Example:
        >>> import tempfile
        >>> from pathlib import Path
        >>> from monai_minority.data import Cohort
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     file = Path(folder) / "scan.nii"
        ...     file.touch()
        ...     cohort = Cohort.from_records([{"image": file, "subject": "P1"}, {"image": "lost.nii", "subject": "P2"}])
        >>> cohort.table["subject"].tolist(), [(entry.subject, entry.reason) for entry in cohort.rejected]
        (['P1'], [('P2', 'the file does not exist')])
    """

    table: pd.DataFrame
    rejected: list[Rejection] = field(default_factory=list)
    images: Sequence[Any] | None = None

    @classmethod
    def from_records(
        cls, records: Iterable[Mapping[str, Any]] | pd.DataFrame, rejected: Iterable[Rejection] = ()
    ) -> Self:
        """Make a cohort from records with at least ``image`` and ``subject``.

        A record is rejected if its file is missing, its subject is empty, its file is already listed (by the same or
        another subject) or its severity is not a number. Rows are sorted by subject and image.

        Raises:
            ValueError: no usable record is left.
        """
        table = pd.DataFrame(records).reset_index(drop=True)
        turned_away = list(rejected)
        if not len(table):
            raise ValueError("the cohort has no image" + _most_common(turned_away))
        for name in STANDARD_COLUMNS:
            if name not in table:
                table[str(name)] = None
        for name in (Key.IMAGE, Column.SUBJECT, Column.GROUP, Column.SPLIT):
            table[str(name)] = pd.Series([_text(v) for v in table[name]], index=table.index, dtype=object)
        numbers = pd.to_numeric(table[Column.SEVERITY], errors="coerce")
        files = table[Key.IMAGE].map(lambda p: os.path.realpath(p) if p else "")
        reasons = pd.Series("", index=table.index)

        def reject(where: pd.Series, reason: str) -> None:
            reasons[where & reasons.eq("")] = reason

        reject(table[Key.IMAGE].isna(), "no image is given")
        reject(table[Column.SUBJECT].isna(), "no subject is given")
        reject(~files.map(os.path.exists), "the file does not exist")
        severity = table[Column.SEVERITY]
        reject(numbers.isna() & severity.map(_text).notna(), "severity is not a number")
        owner = table[Column.SUBJECT].where(reasons.eq("")).groupby(files).transform("first")
        repeated = files.where(reasons.eq("")).duplicated() & reasons.eq("")
        same = owner == table[Column.SUBJECT]
        reject(repeated & same, "the subject lists the same file twice; the first entry is kept")
        reject(repeated, "the file already belongs to another subject")

        table[str(Column.SEVERITY)] = numbers
        columns = zip(table[Key.IMAGE], table[Column.SUBJECT], reasons, strict=True)
        turned_away += [Rejection(_text(f) or "", _text(s) or "", r) for f, s, r in columns if r]
        table = table[reasons.eq("")].sort_values([Column.SUBJECT, Key.IMAGE], kind="stable")
        if not len(table):
            raise ValueError("the cohort has no usable image" + _most_common(turned_away))
        rest = [name for name in table.columns if name not in STANDARD_COLUMNS]
        if turned_away:
            logger.warning("%d entries were rejected, %d images were kept", len(turned_away), len(table))
        return cls(table[[*map(str, STANDARD_COLUMNS), *rest]].reset_index(drop=True), turned_away)

    def __len__(self) -> int:
        return len(self.table)

    def pseudonymized(self, pseudonyms: Pseudonyms) -> pd.DataFrame:
        """The table with two more columns: ``pseudonym`` for the subject, and ``source``, an image name made from it.

        Raises:
            ValueError: two subjects have the same pseudonym. Another key solves this.
        """
        table = self.table.copy()
        subjects = table[Column.SUBJECT].unique()
        for digits in (10, 20):  # with several hundred thousand subjects, 10 digits are likely to collide
            names = {subject: pseudonyms(subject, digits) for subject in subjects}
            if len(set(names.values())) == len(names):
                break
        else:
            raise ValueError("two subjects have the same pseudonym; delete the key file to draw another key")
        pseudonym = table[Column.SUBJECT].map(names)
        number = table.groupby(Column.SUBJECT).cumcount() + 1
        table.insert(0, "pseudonym", pseudonym)
        table.insert(0, str(Column.SOURCE), pseudonym + "_" + number.map("{:02d}".format))
        return table


def _most_common(rejected: list[Rejection]) -> str:
    if not rejected:
        return ""
    counts = pd.Series([r.reason for r in rejected]).value_counts()
    return f"; {len(rejected)} were rejected, most often because: " + "; ".join(
        f"{reason} ({count})" for reason, count in counts.head(3).items()
    )


def _text(value: Any) -> str | None:
    if value is None or (isinstance(value, float) and pd.isna(value)) or value is pd.NA:
        return None
    return str(value).strip() or None
