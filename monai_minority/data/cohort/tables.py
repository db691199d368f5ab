"""Read tables that people write, whatever program they use, and join them with a cohort."""

import csv
import io
import logging
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd

from monai_minority.data.cohort.cohort import UnusableDataError
from monai_minority.data.paths import Rejection, printable
from monai_minority.data.persons import without_zeros
from monai_minority.files import as_meant, check_sealed
from monai_minority.keys import Column, Key

logger = logging.getLogger(__name__)

ROW = "row"
"""Name of the index of a table: the number of its row in the file, the heading being row 1."""

_SEPARATORS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars"}
_MISSING = {
    *("", "n/a", "#n/a", "#value!", "#ref!", "#name?", "#div/0!", "#null!", "#num!"),
    *("-", "--", "\u2013", "\u2014"),
}
_NO_NUMBER = {"na", "nan", "none", "null", "nil", ".", "?", "unknown", "missing", "not available", "<na>"}
_NO_GROUP = {"na", "nan", "null", "<na>"}
_BLANK = " \t\r\n\u00a0\ufeff\u200b"
_SUB = re.compile(r"^sub-", re.IGNORECASE)


def read_table(path: Path, rejected: list[Rejection] | None = None) -> pd.DataFrame:
    """Read a table with a heading, all values as text.

    The encoding (UTF-8, UTF-16, or else Windows-1252) and the separator (comma, semicolon, tab, bar, or in a ``.tsv``
    also runs of blanks) are found, the latter by the fields that it gives. Blanks around values, empty rows, separators
    at the ends of rows and Excel's line ``sep=;`` are taken off; ``n/a``, ``-`` and Excel's error values are missing.

    Args:
        path: the file.
        rejected: gets each row that has more values than the heading.

    Returns:
        The table. Its index is the number of the row in the file.

    Raises:
        ValueError: the file is a workbook, is empty, or has a column twice.
    """
    check_sealed(path)
    rows = _rows(path)
    if not rows:
        raise ValueError(f"{path} must have a row with the names of its columns, but it is empty")
    _, heading = rows[0]
    doubled = sorted({name for name in heading if name and heading.count(name) > 1})
    if doubled:
        raise ValueError(f"{path} must name each column once, but its heading has {', '.join(doubled)} several times")
    known = [n for n, name in enumerate(heading) if name]
    kept: dict[int, list[str | None]] = {}
    for number, fields in rows[1:]:
        if len(fields) > len(heading):
            reason = (
                f"{path.name}, row {number}: it has {len(fields)} values, but the heading names {len(known)} columns"
            )
            (rejected if rejected is not None else []).append(Rejection(str(path), "", reason))
            logger.warning("row %d of a table has more values than the heading and is left out", number)
            continue
        values = [fields[n] if n < len(fields) else "" for n in known]
        kept[number] = [None if value.lower() in _MISSING else as_meant(value) for value in values]
    table = pd.DataFrame.from_dict(kept, "index", columns=[heading[n] for n in known], dtype=object)
    table.index.name = ROW
    return table.where(table.notna(), float("nan"))


def column_of(table: pd.DataFrame, name: str) -> str | None:
    """The column that a person means, without regard to case, blanks and underscores if that is unique."""
    if name in table:
        return name

    def plain(text: str) -> str:
        return re.sub(r"[\s_\-]+", "", text).lower()

    alike = [column for column in table.columns if plain(column) == plain(name)]
    return alike[0] if len(alike) == 1 else None


def without_rows(table: pd.DataFrame, path: Path, values: Mapping[str, str | Sequence[str]]) -> pd.DataFrame:
    """Leave out the rows that have one of the ``values`` in its column. A value that does not occur raises."""
    left_out = pd.Series(False, table.index)
    for name, given in values.items():
        column = column_of(table, name)
        if column is None:
            found = ", ".join(table.columns)
            raise ValueError(f"leave_out must name columns of {path}, got {name!r}; it has {found}")
        unwanted = [str(value) for value in (given if isinstance(given, list | tuple) else [given])]
        absent = sorted(set(unwanted) - set(table[column]))
        if absent:
            found = ", ".join(sorted(table[column].dropna().unique())[:10])
            raise ValueError(
                f"leave_out must name values that occur in the column {column} of {path}, got {', '.join(absent)}; "
                f"it has {found}"
            )
        left_out |= table[column].isin(unwanted)
    if left_out.any():
        logger.info("%d rows of %s are left out, as leave_out asks", left_out.sum(), path.name)
    return table[~left_out]


def named(table: pd.DataFrame, path: Path, columns: Mapping[str, str | None]) -> pd.DataFrame:
    """Add our columns, copied from the named ones. Other columns become numbers if all their values are numbers.

    A column that is not named is taken where its name is ours but for case.

    Raises:
        ValueError: a named column is missing.
    """
    result = table.copy()
    for ours, theirs in columns.items():
        wanted = str(ours) if theirs is None else theirs
        falls = ours == Column.SEVERITY and wanted.startswith("-") and wanted not in table
        source = column_of(table, wanted[1:] if falls else wanted)
        if source is None and theirs is None:
            continue
        if source is None:
            remedy = f"; choose one with dataset_options={{{ours}: …}}" if ours in (Key.IMAGE, Column.SUBJECT) else ""
            raise ValueError(
                f"{path} has no column {wanted.removeprefix('-') if falls else wanted!r} for {ours}; it has "
                f"{', '.join(table.columns)}{remedy}"
            )
        values = table[source]
        if ours == Column.SEVERITY:
            values = as_numbers(values)
            values = values.map(_negated, na_action="ignore") if falls else values
        elif ours in (Column.GROUP, Column.SPLIT):
            values = values.where(~values.map(lambda v: str(v).lower() in _NO_GROUP))
            values = values.map(printable)
        result[str(ours)] = values
    kept_as_text = {Key.IMAGE, Column.SUBJECT, Column.GROUP, Column.SPLIT, Column.SEVERITY, "participant_id"}
    for name in result.columns.difference(list(map(str, kept_as_text))):
        numbers = pd.to_numeric(result[name], errors="coerce")
        if numbers.notna().equals(result[name].notna()):
            result[name] = numbers
    return result


def as_numbers(values: pd.Series) -> pd.Series:
    """A column of numbers as people write them; a value that is none stays as it is.

    ``unknown``, ``.`` and the like are missing. Decimal commas are read where no value of the column has a point.

    Example:
        >>> import pandas as pd
        >>> from monai_minority.data.cohort.tables import as_numbers
        >>> as_numbers(pd.Series(["2,5", "unknown", "3"])).tolist()
        [2.5, nan, 3.0]
    """
    known = values.where(~values.map(lambda v: str(v).strip().lower() in _NO_NUMBER))
    text = known.dropna().astype(str)
    if text.str.fullmatch(r"[+-]?\d+,\d+").any() and not text.str.contains(".", regex=False).any():
        known = known.map(lambda v: str(v).replace(",", "."), na_action="ignore")
    numbers = pd.to_numeric(known, errors="coerce")
    return numbers.astype(object).where(numbers.notna() | known.isna(), known)


def with_labels(
    table: pd.DataFrame, path: Path, key: str, columns: Mapping[str, str | None], rejected: list[Rejection]
) -> pd.DataFrame:
    """Join a table of images with a table of subjects by the column ``key`` of the latter.

    A row is rejected if its subject has no image or is already listed. An image whose subject has no row is kept
    without labels. Subjects are compared without regard to case and to zeros in front of their numbers where that is
    unique, which is said.

    Raises:
        ValueError: ``path`` lacks the key or a named column, or no row fits an image.
    """
    labels = read_table(path, rejected)
    found = column_of(labels, key) or (column_of(labels, "participant_id") if key == Column.SUBJECT else None)
    if found is None:
        raise ValueError(f"{path} must have the column {key}, but it has {', '.join(labels)}")
    labels = labels.rename(columns={found: "participant_id"}).dropna(subset="participant_id")
    labels = named(labels, path, columns)
    subjects = table[Column.SUBJECT].dropna().unique().tolist()
    theirs = labels["participant_id"].astype(str).tolist()
    joined = _joined(theirs, subjects)
    labels["participant_id"] = joined
    absent = ~labels["participant_id"].isin(subjects)
    if absent.all() and len(labels):
        raise UnusableDataError(
            f"no row of {path} fits an image: its column {found} has {theirs[0]!r}, the images' subjects are like "
            f"{subjects[0]!r}; write the subjects alike",
            [*rejected, *(Rejection(str(path), name, "the subject has no image") for name in theirs)],
        )
    changed = sum(a != b and a != b.removeprefix("sub-") for a, b in zip(theirs, joined, strict=True))
    if changed:
        logger.warning("%d ids of the table of subjects were joined without regard to case and leading zeros", changed)
    twice = labels["participant_id"].duplicated()
    for where, reason in (
        (twice, "the subject is listed twice; the first row is kept"),
        (absent & ~twice, "the subject has no image"),
    ):
        rows = labels.loc[where, "participant_id"]
        rejected += [Rejection(str(path), s, f"{path.name}, row {number}: {reason}") for number, s in rows.items()]
    table = table.merge(labels[~twice], how="left", left_on=str(Column.SUBJECT), right_on="participant_id")
    unlabelled = table["participant_id"].isna().sum()
    if unlabelled:
        logger.warning("%d images have no row in the table of subjects and are kept without labels", unlabelled)
    return table.drop(columns="participant_id")


def file_named(text: str, base: Path) -> str:
    """The file that a person means by a path in a table: absolute, or relative to ``base``.

    Blanks and quotes around it, ``~``, ``file://`` and the backslashes of Windows are taken as they are meant. A part
    that differs from the name on disk by case alone is found if it is unique. A path that leads nowhere is given back
    absolute, so that a message can say what was tried.
    """
    plain = text.strip(_BLANK).strip("\"'").strip(_BLANK).removeprefix("file://")
    tried = [base / Path(plain).expanduser()]
    if "\\" in plain:
        tried.append(base / Path(plain.replace("\\", "/")).expanduser())
    for path in tried:
        if os.path.lexists(path):
            return str(path)
    for path in reversed(tried):
        alike = _without_case(path)
        if alike is not None:
            return str(alike)
    return str(tried[-1])


def _without_case(path: Path) -> Path | None:
    """The path on disk that differs by case alone, if there is one."""
    found = Path(path.anchor) if path.is_absolute() else Path()
    for part in path.parts[1:] if path.is_absolute() else path.parts:
        if part == ".." or os.path.lexists(found / part):
            found = found / part
            continue
        try:
            alike = [entry.name for entry in os.scandir(found) if entry.name.lower() == part.lower()]
        except OSError:
            return None
        if len(alike) != 1:
            return None
        found = found / alike[0]
    return found


def decoded_text(path: Path) -> str:
    """The text of a file in UTF-8, with or without its mark, in UTF-16, or else in Windows-1252.

    Raises:
        ValueError: it is a workbook or another binary file.
    """
    raw = path.read_bytes()
    if raw.startswith((b"PK\x03\x04", b"\xd0\xcf\x11\xe0")):
        raise ValueError(f"{path} must be a text file, but it is an Excel workbook; save it as CSV (UTF-8)")
    if raw.startswith((b"\xff\xfe", b"\xfe\xff")):
        return raw.decode("utf-16", errors="replace")
    if raw[:200].count(0) > len(raw[:200]) // 4:
        return raw.decode("utf-16-le" if raw[1:2] == b"\0" else "utf-16-be", errors="replace")
    if b"\0" in raw[:4096]:
        raise ValueError(f"{path} must be a text file, but it is a binary one")
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        return raw.decode("cp1252", errors="replace")


def _rows(path: Path) -> list[tuple[int, list[str]]]:
    """The rows that are not empty, with their numbers in the file, split by the separator that fits best."""
    lines = re.split(r"\r\n|\r|\n", decoded_text(path))
    skipped = 0
    separator = ""
    if lines and lines[0].strip(_BLANK).lower().startswith("sep=") and len(lines[0].strip(_BLANK)) >= 4:
        separator, skipped = lines[0].strip(_BLANK)[4:5] or "\t", 1
    text = "\n".join(lines[skipped:])
    candidates = [separator] if separator else list(_SEPARATORS)
    best = max((_split(text, one) for one in candidates), key=lambda rows: _fit(rows, path))
    if path.suffix.lower() != ".csv" and max((len(row) for _, row in best), default=0) == 1:  # blanks instead of tabs
        blanks = [(n, re.split(r"\s+", line.strip(_BLANK))) for n, line in enumerate(lines, 1) if line.strip(_BLANK)]
        if len({len(row) for _, row in blanks}) == 1 and blanks and len(blanks[0][1]) > 1:
            return blanks
    return [(number + skipped, row) for number, row in best]


def _split(text: str, separator: str) -> list[tuple[int, list[str]]]:
    # A quotation mark without its pair (5" lesion) would swallow all rows behind it.
    reader = csv.reader(
        io.StringIO(text),
        delimiter=separator,
        skipinitialspace=separator != "\t",
        quoting=csv.QUOTE_NONE if text.count('"') % 2 else csv.QUOTE_MINIMAL,
    )
    rows = []
    try:
        for fields in reader:
            values = [value.strip(_BLANK) for value in fields]
            while values and not values[-1]:
                values.pop()
            if values:
                rows.append((reader.line_num, values))
    except csv.Error:  # such as a field of more than 128 KB: no table with this separator
        return []
    return rows


def _fit(rows: list[tuple[int, list[str]]], path: Path) -> tuple[float, int, bool]:
    """How well a separator fits: the share of rows with as many fields as the heading, if it has several."""
    if not rows or len(rows[0][1]) < 2:
        return 0.0, 0, False
    width = len(rows[0][1])
    same = sum(len(row) <= width for _, row in rows) / len(rows)
    own = "\t" if path.suffix.lower() == ".tsv" else ","
    return same, width, own == ","


def _joined(theirs: list[str], ours: list[str]) -> list[str]:
    """The ids of a table as the images have them: as they are, else with ``sub-``, else without case and zeros."""
    known = set(ours)
    alike: dict[str, set[str]] = {}
    for subject in known:
        alike.setdefault(_unpadded(subject), set()).add(subject)
    counts = pd.Series([_unpadded(name) for name in dict.fromkeys(theirs)]).value_counts()
    result = []
    for name in theirs:
        prefixed = name if name.startswith("sub-") else f"sub-{name}"
        matches = alike.get(_unpadded(name), set())
        unique = len(matches) == 1 and counts[_unpadded(name)] == 1
        result.append(
            name if name in known else prefixed if prefixed in known else next(iter(matches)) if unique else name
        )
    return result


def _unpadded(name: str) -> str:
    """An id without ``sub-``, case, blanks and the zeros in front of its numbers; ``7.0`` of a spreadsheet is ``7``."""
    return without_zeros(_SUB.sub("", name.strip()))


def _negated(value: object) -> object:
    try:
        return -float(str(value))
    except ValueError:
        return value
