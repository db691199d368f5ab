"""The subjects and images of a data set, and the rejected entries with their reasons."""

import os
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

import pandas as pd

from monai_minority.data.cohort.contents import plural
from monai_minority.data.cohort.pseudonyms import Pseudonyms
from monai_minority.data.paths import Rejection, checked_size
from monai_minority.keys import Column, Key

ORIGIN = "origin"
"""Column of records, not of cohorts: the table and row that a record comes from."""
_ROW = re.compile(r"^[^:]*, \w+ \d+: ")
_FILE = re.compile(r" \(tried [^)]*\)")

STANDARD_COLUMNS = (Key.IMAGE, Column.SUBJECT, Column.GROUP, Column.SEVERITY, Column.SPLIT)


class UnusableDataError(ValueError):
    """Data of which nothing can be used, with what was found and why each entry was left out.

    Attributes:
        entries: what was found, so that ``cohort.csv`` can be written all the same.

    Example:
        >>> from monai_minority.data import Rejection
        >>> from monai_minority.data.cohort.cohort import UnusableDataError
        >>> error = UnusableDataError("there is no volume", [Rejection("a.zip", "", "it is an archive; unpack it")])
        >>> str(error), len(error.entries)
        ('there is no volume', 1)
    """

    def __init__(self, message: str, entries: Iterable[Rejection] = ()) -> None:
        super().__init__(message)
        self.entries = list(entries)


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
        passed_over: files that are there and no images of this cohort, such as label maps, each with the reason. They
            are no fault of the data.
        layout: what was recognised, such as ``a BIDS data set``.
        holds: what the folder holds, by kind and ending.

    Example:
        >>> import tempfile
        >>> from pathlib import Path
        >>> from monai_minority.data import Cohort
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     file = Path(folder) / "scan.nii"
        ...     file.touch()
        ...     cohort = Cohort.from_records([{"image": file, "subject": "P1"}, {"image": "lost.nii", "subject": "P2"}])
        >>> cohort.table["subject"].tolist(), [(entry.subject, entry.reason) for entry in cohort.rejected]
        (['P1'], [('P2', 'the file does not exist (tried lost.nii)')])
    """

    table: pd.DataFrame
    rejected: list[Rejection] = field(default_factory=list)
    images: Sequence[Any] | None = None
    passed_over: list[Rejection] = field(default_factory=list)
    layout: str = ""
    holds: str = ""

    @classmethod
    def from_records(
        cls,
        records: Iterable[Mapping[str, Any]] | pd.DataFrame,
        rejected: Iterable[Rejection] = (),
        passed_over: Iterable[Rejection] = (),
        layout: str = "",
    ) -> Self:
        """Make a cohort from records with at least ``image`` and ``subject``.

        A record is rejected if its file is missing, its subject is empty, its file is already listed (by the same or
        another subject) or its severity is not a number. Rows are sorted by subject and image. A record may have an
        ``origin``, the row of a table that it comes from, which the reason for a rejection then names.

        Raises:
            UnusableDataError: no usable record is left.
        """
        table = pd.DataFrame(records).reset_index(drop=True)
        turned_away, left_out = list(rejected), list(passed_over)
        if not len(table):
            raise UnusableDataError("the cohort has no image" + _most_common(turned_away), [*turned_away, *left_out])
        origins = table.pop(ORIGIN) if ORIGIN in table else pd.Series("", table.index)
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
        absent = ~files.map(os.path.exists)
        reasons[absent & reasons.eq("")] = table[Key.IMAGE][absent & reasons.eq("")].map(why_absent)
        severity = table[Column.SEVERITY].map(_text)
        unclear = numbers.isna() & severity.notna() & reasons.eq("")
        reasons[unclear] = severity[unclear].map(
            "severity must be a number, got {!r}; it is the label of the image".format
        )
        owner = table[Column.SUBJECT].where(reasons.eq("")).groupby(files).transform("first")
        repeated = files.where(reasons.eq("")).duplicated() & reasons.eq("")
        same = owner == table[Column.SUBJECT]
        reject(repeated & same, "the subject lists the same file twice; the first entry is kept")
        reject(repeated, "the file already belongs to another subject")

        table[str(Column.SEVERITY)] = numbers
        columns = zip(table[Key.IMAGE], table[Column.SUBJECT], reasons, origins, strict=True)
        turned_away += [
            Rejection(_text(f) or "", _text(s) or "", f"{o}: {r}" if o else r) for f, s, r, o in columns if r
        ]
        table = table[reasons.eq("")].sort_values([Column.SUBJECT, Key.IMAGE], kind="stable")
        if not len(table):
            raise UnusableDataError(
                "the cohort has no usable image" + _most_common(turned_away), [*turned_away, *left_out]
            )
        rest = [name for name in table.columns if name not in STANDARD_COLUMNS]
        table = table[[*map(str, STANDARD_COLUMNS), *rest]].reset_index(drop=True)
        return cls(table, turned_away, passed_over=left_out, layout=layout)

    def __len__(self) -> int:
        return len(self.table)

    def account(self) -> list[str]:
        """What was found, what is used, and what is left out and why, in a few lines without names.

        Example:
            >>> import pandas as pd
            >>> from monai_minority.data import Cohort, Rejection
            >>> table = pd.DataFrame({"image": ["a.nii", "b.nii"], "subject": ["P1", "P2"]})
            >>> print("\\n".join(Cohort(table, [Rejection("c.nii", "P3", "the file is empty (0 bytes)")]).account()))
            used: 2 images of 2 subjects
            rejected: the file is empty (0 bytes) (1)
        """
        found = "; ".join(filter(None, (self.layout, self.holds and f"it holds {self.holds}")))
        lines = [f"found: {found}"] if found else []
        subjects = self.table[Column.SUBJECT].nunique()
        lines.append(f"used: {plural(len(self), 'image')} of {plural(subjects, 'subject')}")
        kinds = self.table.get("description", pd.Series(dtype=str)).fillna("").str.lower().str.strip().nunique()
        if kinds > 1:
            lines.append(
                f"caution: the series have {kinds} descriptions, which inspect lists; where they are contrasts or body "
                "parts, choose by dataset_options, such as {description: t1}: a mixture makes those the rarest thing"
            )
        by_rule = [entry for entry in self.rejected if entry.by_rule]
        rejected = [entry for entry in self.rejected if not entry.by_rule]
        for what, entries in (("rejected", rejected), ("left out", by_rule), ("passed over", self.passed_over)):
            lines += [f"{what}: {line}" for line in counted(entries)]
        return lines

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


def counted(entries: Iterable[Rejection], most: int = 8) -> list[str]:
    """The reasons with their counts, the most frequent first, without the rows and files that some of them name."""
    counts = Counter(_ROW.sub("", _FILE.sub("", entry.reason)).removeprefix("passed over: ") for entry in entries)
    lines = [f"{reason} ({count})" for reason, count in counts.most_common(most)]
    return [*lines, f"and {len(counts) - most} further reasons; see cohort.csv"] if len(counts) > most else lines


def why_absent(path: str) -> str:
    """Why there is no file at a path: nothing is there, or a link leads nowhere, with the remedy where it shows."""
    try:
        checked_size(path)
    except (OSError, ValueError) as error:
        return str(error) if os.path.lexists(path) else f"the file does not exist (tried {path})"
    return ""


def _most_common(rejected: list[Rejection]) -> str:
    return (
        f"; {len(rejected)} were rejected, most often because: " + "; ".join(counted(rejected, 3)) if rejected else ""
    )


def _text(value: Any) -> str | None:
    if value is None or (isinstance(value, float) and pd.isna(value)) or value is pd.NA:
        return None
    return str(value).strip() or None
