"""Read user-written tables and join them with a cohort."""

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd

from monai_minority.data.paths import Rejection
from monai_minority.keys import Column, Key

logger = logging.getLogger(__name__)


def some(found: list, folder: Path, what: str, rejected: list[Rejection]) -> list:
    """Return ``found``, or raise ``ValueError`` if it is empty."""
    if not found:
        hint = f"; {rejected[0].file}: {rejected[0].reason}" if rejected else ""
        raise ValueError(f"there is no {what} under {folder}{hint}")
    return found


def read_table(path: Path) -> pd.DataFrame:
    """Read a CSV or TSV file with all values as text."""
    separator = "\t" if path.suffix.lower() == ".tsv" else ","
    # A subject "007" must stay "007", so all values are text. BIDS writes "n/a" for a missing value.
    table = pd.read_csv(
        path, sep=separator, dtype=str, keep_default_na=False, na_values=["", "n/a"], encoding="utf-8-sig"
    )
    table.columns = table.columns.str.strip()
    return table


def without_rows(table: pd.DataFrame, path: Path, values: Mapping[str, str | Sequence[str]]) -> pd.DataFrame:
    """Leave out the rows that have one of the ``values`` in its column. A value that does not occur raises."""
    left_out = pd.Series(False, table.index)
    for column, given in values.items():
        if column not in table:
            found = ", ".join(table.columns)
            raise ValueError(f"leave_out must name columns of {path}, got {column!r}; it has {found}")
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
    return table[~left_out].reset_index(drop=True)


def named(table: pd.DataFrame, path: Path, columns: Mapping[str, str | None]) -> pd.DataFrame:
    """Add our columns, copied from the named ones. Other columns become numbers if all their values are numbers."""
    result = table.copy()
    for ours, theirs in columns.items():
        if theirs is None:
            continue
        falls = ours == Column.SEVERITY and theirs.startswith("-") and theirs not in table
        source = theirs[1:] if falls else theirs
        if source not in table:
            raise ValueError(f"{path} has no column {source!r} for {ours}; it has {', '.join(table.columns)}")
        values = table[source]
        result[ours] = values.map(_negated, na_action="ignore") if falls else values
    kept_as_text = {Key.IMAGE, Column.SUBJECT, Column.GROUP, Column.SPLIT, Column.SEVERITY, "participant_id"}
    for name in result.columns.difference(list(map(str, kept_as_text))):
        numbers = pd.to_numeric(result[name], errors="coerce")
        if numbers.notna().equals(result[name].notna()):
            result[name] = numbers
    return result


def _negated(text: str) -> str | float:
    try:
        return -float(text)
    except ValueError:
        return text


def with_labels(
    table: pd.DataFrame, path: Path, key: str, columns: Mapping[str, str | None], rejected: list[Rejection]
) -> pd.DataFrame:
    """Join a table of images with a table of subjects by the column ``key`` of the latter.

    A row is rejected if its subject has no image or is already listed. An image whose subject has no row is kept
    without labels.

    Raises:
        ValueError: ``path`` lacks the key or a named column.
    """
    labels = read_table(path)
    if key not in labels:
        raise ValueError(f"{path} must have the column {key}, but it has {', '.join(labels)}")
    if key == "participant_id":
        labels[key] = labels[key].map(lambda s: s if str(s).startswith("sub-") else f"sub-{s}")
    labels = named(labels.rename(columns={key: "participant_id"}), path, columns)
    twice = labels["participant_id"].duplicated()
    absent = ~labels["participant_id"].isin(table[Column.SUBJECT])
    for where, reason in (
        (twice, "the subject is listed twice; the first row is kept"),
        (absent & ~twice, "the subject has no image"),
    ):
        rejected += [Rejection(str(path), s, reason) for s in labels.loc[where, "participant_id"]]
    table = table.merge(labels[~twice], how="left", left_on=str(Column.SUBJECT), right_on="participant_id")
    unlabelled = table["participant_id"].isna().sum()
    if unlabelled:
        logger.warning("%d images have no row in the table of subjects and are kept without labels", unlabelled)
    return table.drop(columns="participant_id")
