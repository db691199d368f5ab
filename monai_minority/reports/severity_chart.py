"""The chart of the first screen: severity of guided images against their target class, real ones beside it."""

from collections.abc import Iterator

import numpy as np
import pandas as pd
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from monai_minority.keys import Column
from monai_minority.reports.charts import BLUE, GREY, ORANGE, label_axes
from monai_minority.reports.severity_findings import best_known
from monai_minority.tables.groups import NORMAL, RARE
from monai_minority.tables.rows import ALL, REAL
from monai_minority.tables.severity import ABOVE

_PANELS = {ABOVE: "share as severe as the worst 1 %", "mean": "mean severity"}


def severity_chart(severity: pd.DataFrame) -> Figure | None:
    """Share of severe images and mean severity by target class, with 95 % intervals, a row a judge; or ``None``.

    A line a set and scale, and a dotted one of the real training images of each class; beside the classes, on the same
    axis, the unguided images and the real ones: the training images, and the normal and the rare group where they are
    known (of those trained on or never trained on, whichever are of more subjects).
    """
    judges = list(severity["judge"].unique())
    if not judges:
        return None
    figure = Figure(figsize=(11, 0.4 + 3.1 * len(judges)), layout="constrained")
    for row, judge in zip(figure.subplots(len(judges), len(_PANELS), squeeze=False), judges, strict=True):
        part = severity[severity["judge"] == judge]
        for axes, (name, label) in zip(row, _PANELS.items(), strict=True):
            _panel(axes, part, name)
            judged = f"{label}\nby {judge.replace('_', ' ')}"
            label_axes(axes, "target class (0: commonest), and images without one", judged)
        row[0].set_ylim(-0.03, 1.03)
        row[1].axhline(part["threshold_99"].iloc[0], color=GREY, linewidth=0.8, linestyle="--")
        row[0].axhline(0.01, color=GREY, linewidth=0.8, linestyle="--")
    figure.axes[0].legend(fontsize=7, frameon=False, loc="upper left")
    figure.suptitle("Severity by target class, with 95 % intervals (dashed: the worst 1 %)", fontsize=10)
    return figure


def _panel(axes: Axes, part: pd.DataFrame, name: str) -> None:
    classes = part[part["target_class"] != ALL]
    groups = list(classes.groupby(["set", Column.SCALE.value], sort=False))
    labels: dict[float, str] = {}
    for number, ((made, scale), rows) in enumerate(groups):
        places = rows["target_class"].astype(float)
        labels |= {float(place): f"{place:g}" for place in places}
        colour = BLUE if len(groups) == 1 else colormaps["viridis"](0.85 * number / len(groups))
        _points(axes, rows.assign(place=places).sort_values("place"), name, colour, f"{made}, scale {scale:g}", "-")
    own = classes[classes["set"] == REAL]
    if len(own):
        own = own.assign(place=own["target_class"].astype(float)).sort_values("place")
        _points(axes, own, name, GREY, "real, of the class", ":")
    start = max(labels, default=-1.0)
    step = max(1.0, (start - min(labels, default=0.0)) / 12)
    for number, (label, row, colour) in enumerate(_beside(part)):
        place = start + step * (number + 1)
        labels[place] = label
        _points(axes, pd.DataFrame([row]).assign(place=place), name, colour, None, "none")
    few = len(labels) <= 20
    shown = {place: text for place, text in labels.items() if few or place >= start or place % 4 == 0}
    axes.set_xticks(list(shown), list(shown.values()), fontsize=7)
    for tick, place in zip(axes.get_xticklabels(), shown, strict=True):
        if place > start:
            tick.set(rotation=35, horizontalalignment="right")


def _beside(part: pd.DataFrame) -> Iterator[tuple[str, pd.Series, str]]:
    """The rows without a class: label, row and colour."""
    whole = part[part["target_class"] == ALL]
    for _, row in whole[whole[Column.SCALE] == 0].iterrows():
        yield str(row["set"]), row, ORANGE
    training = whole[(whole["set"] == REAL) & ~whole["known"].isin([NORMAL, RARE])]
    if len(training):
        yield REAL, training.iloc[0], GREY
    for known in (NORMAL, RARE):
        if (row := best_known(whole, known)) is not None:
            yield f"real, {known}", row, GREY


def _points(axes: Axes, rows: pd.DataFrame, name: str, colour: object, label: str | None, line: str) -> None:
    values = rows[name].to_numpy(float)
    errors = np.nan_to_num(np.stack([values - rows[f"{name}_low"], rows[f"{name}_high"] - values])).clip(min=0)
    axes.errorbar(
        rows["place"], values, yerr=errors, color=colour, label=label, linestyle=line, marker="o", ms=4, capsize=2
    )
