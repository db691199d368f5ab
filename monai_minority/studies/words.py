"""Measured numbers in sentences."""

import math
from collections.abc import Mapping
from typing import Any

import pandas as pd

from monai_minority.studies.charts import NAMES, value


def number(middle: float, low: float = math.nan, high: float = math.nan) -> str:
    """``0.62 [0.58, 0.66]``; without an interval the number alone; ``not measured`` for NaN."""
    if math.isnan(middle):
        return "not measured"
    return f"{middle:.3g}" if math.isnan(low) else f"{middle:.3g} [{low:.3g}, {high:.3g}]"


def figure_of(row: Mapping[str, Any] | pd.Series, measure: str) -> str:
    """A measure in a row of a summary, with its interval."""
    return number(*value(row, measure))


def change(before: pd.Series, after: pd.Series, measure: str) -> str:
    """The change of a measure between two cells, called a rise or a fall only if their intervals do not overlap."""
    (a, a_low, a_high), (b, b_low, b_high) = value(before, measure), value(after, measure)
    name = NAMES.get(measure, measure)
    if math.isnan(a) or math.isnan(b):
        return f"{name} was not measured"
    verdict = "rises" if b_low > a_high else "falls" if b_high < a_low else "does not change measurably"
    if math.isnan(a_low) or math.isnan(b_low):
        verdict = "goes"
    return f"{name} {verdict} from {number(a, a_low, a_high)} to {number(b, b_low, b_high)}"


def sides_of(low: float, high: float, chance: float, above: str, neither: str, below: str, unknown: str) -> str:
    """The word that an interval allows; ``unknown`` where there is no interval."""
    if math.isnan(low):
        return unknown
    return above if low > chance else below if high < chance else neither
