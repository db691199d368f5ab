"""Values of DICOM attributes, also where the value representation or the way of writing is not the standard's."""

import math
import re
from collections.abc import MutableSequence, Sequence
from typing import Any

from pydicom.datadict import tag_for_keyword
from pydicom.dataset import Dataset

_NAN = float("nan")
# A comma between digits can only be the decimal mark of a country that writes it: DICOM has no other use for it. With
# a point, or twice in one number, it could also group digits.
_NUMBER = re.compile(r"[+-]?(\d+([.,]\d*)?|[.,]\d+)([eE][+-]?\d+)?")


def values_of(dataset: Dataset, name: str) -> list[Any]:
    """The values of an attribute; text is split at backslashes in every value representation; ``[]`` if missing."""
    tag = tag_for_keyword(name)
    if tag is None or tag not in dataset:
        return []
    try:
        value = dataset[tag].value
    except Exception:  # pydicom converts values on access and refuses those that are not as the standard says
        value = getattr(dataset.get_item(tag), "value", None)
    if value is None:
        return []
    found = list(value) if isinstance(value, tuple | MutableSequence) else [value]
    split: list[Any] = []
    for one in found:
        if isinstance(one, bytes):
            one = one.decode("latin-1")
        split += [part.strip(" \0\t\r\n") for part in one.split("\\")] if isinstance(one, str) else [one]
    return [] if split == [""] else split


def text_of(dataset: Dataset, name: str) -> str:
    """The value of an attribute as text, ``""`` if missing."""
    return "\\".join(map(str, values_of(dataset, name))).strip()


def integer_of(dataset: Dataset, name: str) -> int:
    """The first value of an attribute as a whole number, 0 if missing."""
    try:
        return int(as_number(values_of(dataset, name)[0]))
    except (IndexError, ValueError):
        return 0


def as_number(value: Any) -> float:
    """A finite number, also if written as text, with a decimal point or a decimal comma.

    Raises:
        ValueError: it is no finite number, or could be read in two ways.

    Example:
        >>> from monai_minority.data.volumes.dicom.values import as_number
        >>> as_number("-31,25"), as_number("2.0000 ")
        (-31.25, 2.0)
    """
    if isinstance(value, str):
        if not _NUMBER.fullmatch(value.strip()):
            raise ValueError("not a number")
        value = value.replace(",", ".")
    try:
        number = float(value)
    except TypeError:
        raise ValueError("not a number") from None
    if not math.isfinite(number):
        raise ValueError("not a finite number")
    return number


class Finder:
    """Look up numbers in the functional groups of a frame, then in the shared ones, then in the data set.

    Attributes:
        unreadable: names of attributes that are present but not the wanted count of numbers.
    """

    def __init__(self, places: Sequence[Dataset | None], unreadable: dict[str, int] | None = None) -> None:
        self._places = [place for place in places if place is not None]
        self.unreadable = {} if unreadable is None else unreadable

    def __call__(self, group: str, name: str, count: int, default: float = _NAN) -> list[float]:
        """``count`` numbers, or the default that often if the attribute is missing or unreadable."""
        for place in self._places:
            inner = values_of(place, group) if group else None
            found = values_of(inner[0] if inner and isinstance(inner[0], Dataset) else place, name)
            if not found:
                continue
            try:
                numbers = [as_number(value) for value in found]
            except ValueError:
                numbers = []
            if len(numbers) == count:
                return numbers
            self.unreadable[name] = count
            break
        return [default] * count
