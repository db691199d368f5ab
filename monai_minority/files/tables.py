"""Tables in CSV files in which a spreadsheet finds nothing to evaluate, and that are read back as they were."""

import csv
import itertools
import os
import re
from collections.abc import Callable
from functools import partial as given
from typing import Any

import pandas as pd

from monai_minority.files.seals import read_checked
from monai_minority.files.whole import whole_file

# The beginning of a cell (some countries separate cells by semicolons), and what makes it a formula.
_FORMULA = re.compile(r"(^|[;\t\r\n])(?='* *[=+\-@＝＋－＠])")
_TAKEN = re.compile(r"(^|[;\t\r\n])'(?='* *[=+\-@＝＋－＠])")


def write_csv(
    table: pd.DataFrame, path: str | os.PathLike[str], *, mode: int | None = None, keep: bool = False, **options: Any
) -> None:
    """Write a table; the file is whole or absent, as of :func:`~monai_minority.files.whole_file`.

    A text that a spreadsheet would evaluate has an apostrophe before it, which :func:`read_csv` takes off.

    Args:
        table: the table. Names of files in it need not be UTF-8.
        path: the file.
        mode, keep: of the file.
        options: of pandas' ``to_csv``.

    Example:
        >>> import tempfile
        >>> from pathlib import Path
        >>> import pandas as pd
        >>> from monai_minority.files import read_csv, write_csv
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     write_csv(pd.DataFrame({"group": ["=HYPERLINK(1)"], "score": [-3.5]}), f"{folder}/a.csv")
        ...     Path(f"{folder}/a.csv").read_text(), read_csv(f"{folder}/a.csv")["group"][0]
        ("group,score\\n'=HYPERLINK(1),-3.5\\n", '=HYPERLINK(1)')
    """
    shown = _with_texts(table, as_text)
    if any("\r" in text for text in _texts(shown)):  # csv quotes it since Python 3.13
        options["quoting"] = csv.QUOTE_NONNUMERIC
    with whole_file(path, mode, keep=keep) as partial:
        shown.to_csv(partial, errors="surrogateescape", **{"index": False, **options})


def read_csv(path: str | os.PathLike[str], **options: Any) -> pd.DataFrame:
    """Read what :func:`write_csv` wrote, after a check as of :func:`~monai_minority.files.read_checked`."""
    read = given(pd.read_csv, encoding_errors="surrogateescape")
    return _with_texts(read_checked(read, path, **options), as_meant)


def as_text(cell: str) -> str:
    """A text with an apostrophe wherever a spreadsheet would see the beginning of a formula. Numbers stay.

    >>> as_text("=HYPERLINK(1)"), as_text("-3.5"), as_text("a;@b"), as_text("'=1"), as_text("mild")
    ("'=HYPERLINK(1)", '-3.5', "a;'@b", "''=1", 'mild')
    """
    return cell if _is_number(cell) else _FORMULA.sub(r"\1'", cell)


def as_meant(cell: str) -> str:
    """What :func:`as_text` was given.

    >>> [as_meant(as_text(cell)) for cell in ("=HYPERLINK(1)", "-3.5", "a;@b", "'=1", "mild")]
    ['=HYPERLINK(1)', '-3.5', 'a;@b', "'=1", 'mild']
    """
    return _TAKEN.sub(r"\1", cell)


def _with_texts(table: pd.DataFrame, change: Callable[[str], str]) -> pd.DataFrame:
    """The table with its texts and the names of its columns changed."""
    changed = {text: new for text in _texts(table) if (new := change(text)) != text}
    if not changed:
        return table

    def new_of(value: Any) -> Any:
        return changed.get(value, value) if isinstance(value, str) else value

    columns = table.select_dtypes(exclude="number").items()
    return table.assign(**{name: column.map(new_of) for name, column in columns}).rename(columns=changed)


def _texts(table: pd.DataFrame) -> set[str]:
    values = itertools.chain(table, *(column for _, column in table.select_dtypes(exclude="number").items()))
    return {value for value in values if isinstance(value, str)}


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
