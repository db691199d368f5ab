"""How findings say a number, its interval, and where they found nothing what they could have seen."""

import math
from typing import Any

import pandas as pd

from monai_minority.evaluation.mover import Estimate, difference_of


def estimate_of(row: pd.Series, name: str) -> Estimate:
    """A figure of a table's row with its two ends."""
    return Estimate(*(float(row[f"{name}{end}"]) for end in ("", "_low", "_high")))


def per_cent(share: float) -> str:
    """A share as per cent, in whole numbers from 10 on and with a decimal below.

    >>> per_cent(0.614), per_cent(0.012), per_cent(0.0)
    ('61 %', '1.2 %', '0 %')
    """
    return f"{_hundredths(share)} %"


def share_with_ends(share: Estimate) -> str:
    """A share as per cent with its interval.

    >>> share_with_ends(Estimate(0.61, 0.52, 0.69)), share_with_ends(Estimate(0.012, 0.004, 0.034))
    ('61 % [52, 69]', '1.2 % [0.4, 3.4]')
    """
    if math.isnan(share.low):
        return per_cent(share.value)
    return f"{per_cent(share.value)} [{_hundredths(share.low)}, {_hundredths(share.high)}]"


def number_with_ends(estimate: Estimate) -> str:
    """A correlation or an AUC with its interval, to two decimals.

    >>> number_with_ends(Estimate(0.78, 0.72, 0.83))
    '0.78 [0.72, 0.83]'
    """
    interval = "" if math.isnan(estimate.low) else f" [{estimate.low:.2f}, {estimate.high:.2f}]"
    return f"{estimate.value:.2f}{interval}"


def times(ratio: Estimate) -> str:
    """A ratio with its interval, as how many times.

    >>> times(Estimate(51.2, 17.8, 140.4)), times(Estimate(float("nan"), 12.4, float("nan")))
    ('51 times as many [18, 140]', 'at least 12 times as many')
    """
    if math.isnan(ratio.value):
        return f"at least {_plain(ratio.low)} times as many"
    ends = f"at least {_plain(ratio.low)}" if math.isnan(ratio.high) else f"{_plain(ratio.low)}, {_plain(ratio.high)}"
    return f"{_plain(ratio.value)} times as many [{ends}]"


def points(difference: float) -> str:
    """A difference of shares in points of per cent.

    >>> points(0.124), points(0.031)
    ('12 points', '3.1 points')
    """
    return f"{_hundredths(difference)} points"


def gain_in_points(gain: Estimate) -> str:
    """A difference of shares with its sign and its interval.

    >>> gain_in_points(Estimate(0.03, -0.012, 0.115))
    '+3 points [-1.2, +12]'
    """
    value, low, high = (f"{'' if end < 0 else '+'}{_hundredths(end)}" for end in gain)
    return f"{value} points" + ("" if math.isnan(gain.low) else f" [{low}, {high}]")


def compared_shares(ours: Estimate, theirs: Estimate) -> str:
    """Which of two shares is larger, or what difference could have been seen.

    >>> compared_shares(Estimate(0.6, 0.5, 0.7), Estimate(0.1, 0.05, 0.18))
    'more'
    >>> compared_shares(Estimate(0.6, 0.5, 0.7), Estimate(0.55, 0.45, 0.65))
    'not measurably more or fewer (14 points or more would have been seen)'
    """
    found = difference_of(ours, theirs)
    return "more" if found.low > 0 else "fewer" if found.high < 0 else nothing_seen(found)


def nothing_seen(difference: Estimate) -> str:
    """What is said of a difference of shares that cannot be told from 0: the smallest that could have been seen, half
    the width of its interval.

    >>> nothing_seen(Estimate(0.05, -0.09, 0.19))
    'not measurably more or fewer (14 points or more would have been seen)'
    """
    return f"not measurably more or fewer ({points(_half(difference))} or more would have been seen)"


def against(row: Any, chance: float, above: str, neither: str, below: str) -> tuple[str, str]:
    """Which word an interval (or, without one, the value) allows, and a note of what could have been seen where it is
    the middle one.

    Args:
        row: with ``value``, ``low`` and ``high``.
        chance: what would be found of nothing.
        above: word where the interval lies above.
        neither: word where it holds ``chance``.
        below: word where it lies below.

    >>> against({"value": 0.1, "low": -0.2, "high": 0.4}, 0, "rises with", "does not follow", "falls with")
    ('does not follow', ' (0.30 or more would have been seen)')
    """
    value, low, high = (float(row[name]) for name in ("value", "low", "high"))
    known = not math.isnan(low)
    low, high = (low, high) if known else (value, value)
    if low > chance:
        return above, ""
    if high < chance:
        return below, ""
    if not known:
        return neither, ""
    from_chance = "" if chance == 0 else f" from {chance:g}"
    return neither, f" ({_half(Estimate(value, low, high)):.2f} or more{from_chance} would have been seen)"


def _half(estimate: Estimate) -> float:
    return (estimate.high - estimate.low) / 2


def _hundredths(share: float) -> str:
    value = 100 * share
    return _plain(value) if abs(value) < 9.95 else f"{value:.0f}"


def _plain(value: float) -> str:
    return f"{value:.0f}" if abs(value) >= 9.95 else f"{value:.1f}".removesuffix(".0")
