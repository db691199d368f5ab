"""Figures of the studies in the size, type and colours of a printed page."""

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from monai_minority.tables.measures import LABELS

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
"""Colours of Okabe and Ito, which colour-blind readers can distinguish."""
GREY = "#666666"
STYLE: dict[Any, Any] = {
    "font.size": 8,
    "axes.titlesize": 8,
    "axes.labelsize": 8,
    "xtick.labelsize": 7,
    "ytick.labelsize": 7,
    "legend.fontsize": 7,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "legend.frameon": False,
    "lines.linewidth": 1.2,
    "pdf.fonttype": 42,
    "svg.fonttype": "none",
}
WIDTH = 7.0
"""Width of two columns, in inches."""

NAMES = LABELS | {
    "above_p90": "share above real P90 of AvgkNN",
    "precision": "precision",
    "recall": "recall",
    "frechet_distance": "Fréchet distance",
    "frechet_distance_equal_n": "Fréchet distance (equal n)",
    "label_accuracy": "share of the group aimed at",
}


def panels(count: int, height: float = 2.1, columns: int = 4) -> tuple[Figure, list[Axes]]:
    """A figure with ``count`` panels, at most ``columns`` in a row."""
    across = min(count, columns)
    rows = -(-count // across)
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(WIDTH * (0.5, 0.8, 1.0, 1.0)[across - 1], height * rows), layout="constrained")
        axes = list(np.atleast_1d(figure.subplots(rows, across)).flat)
    for spare in axes[count:]:
        spare.remove()
    return figure, axes[:count]


def value(row: Mapping[str, Any] | pd.Series, measure: str) -> tuple[float, float, float]:
    """A measure in a row of a summary, and its interval (NaN where there is none)."""
    middle = row[f"{measure}_mean"] if f"{measure}_mean" in row else row[measure]
    return float(middle), float(row.get(f"{measure}_low", np.nan)), float(row.get(f"{measure}_high", np.nan))


def error_bars(axes: Axes, places: Any, ends: Any, **options: Any) -> None:
    """Points with their intervals, from their values and the ends of these, ``[3, N]``."""
    middle, low, high = np.asarray(ends, dtype=float)
    errors = np.nan_to_num([middle - low, high - middle]).clip(min=0)
    axes.errorbar(places, middle, yerr=errors, markersize=3, capsize=2, **options)


def intervals(axes: Axes, places: Sequence[float], rows: pd.DataFrame, measure: str, number: int, label: str) -> None:
    """A measure of the rows of a summary with its intervals, joined by a line."""
    found = np.array([value(row, measure) for _, row in rows.iterrows()]).T
    marker = "os^"[number // len(COLOURS) % 3]  # another one where the colours begin anew
    colour = COLOURS[number % len(COLOURS)]
    error_bars(axes, places, found, fmt=f"{marker}-", color=colour, elinewidth=0.8, label=label or None)


def level(axes: Axes, row: pd.Series, measure: str, label: str, style: str = "--") -> None:
    """A horizontal line with its interval as a band, for instance for real images or unguided samples."""
    middle, low, high = value(row, measure)
    if np.isnan(middle):
        return
    axes.axhline(middle, color=GREY, linestyle=style, linewidth=0.9, label=label)
    if not np.isnan(low):
        axes.axhspan(low, high, color=GREY, alpha=0.12, linewidth=0)
