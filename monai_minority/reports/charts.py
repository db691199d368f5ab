"""Curves and distributions of a report, in colours that colour-blind readers can distinguish."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from monai_minority.keys import Column, Split

BLUE, ORANGE, GREY = "#0072B2", "#D55E00", "#666666"
MEASURES = {
    Column.SCORE.value: "minority score (unit of its distance)",
    "average_knn": "AvgkNN (unit of the features)",
    "local_outlier_factor": "LOF (no unit)",
}


def distributions(real: pd.DataFrame, generated: pd.DataFrame) -> Figure:
    """Score and densities of each set, class and scale, compared with the real training images.

    Boxes show the quartiles and the median, and whiskers the 5th and the 95th percentile. The band in the background
    shows the quartiles of the training images, and the dashed line their 90th percentile.
    """
    training = real[real[Column.SPLIT] == Split.TRAIN]
    keys = ["set", Column.SCALE.value, Column.TARGET_CLASS.value]
    groups = {"real, training": training}
    groups |= {_group_name(*key): part for key, part in generated.groupby(keys, sort=True)}
    targets = [float("nan"), *(key[2] for key, _ in generated.groupby(keys, sort=True))]
    highest = max(1, np.nanmax(targets))
    figure = Figure(figsize=(11, 0.9 + 0.27 * len(groups)), layout="constrained")
    panels = figure.subplots(1, len(MEASURES))
    for axes, (measure, label) in zip(panels, MEASURES.items(), strict=True):
        values = [part[measure].dropna() for part in groups.values()]
        low, middle, high, p90 = training[measure].quantile([0.25, 0.5, 0.75, 0.9])
        axes.axvspan(low, high, color="#eeeeee", zorder=0)
        axes.axvline(middle, color=GREY, linewidth=0.8, zorder=0)
        axes.axvline(p90, color=GREY, linewidth=0.8, linestyle="--", zorder=0)
        boxes = axes.boxplot(
            values, orientation="horizontal", whis=(5, 95), showfliers=False, patch_artist=True, widths=0.6
        )
        for box, median, target in zip(boxes["boxes"], boxes["medians"], targets, strict=True):
            unguided = np.isnan(target) or target < 0
            box.set(facecolor="white" if unguided else colormaps["cividis"](target / highest), linewidth=0.7)
            median.set(color="black" if unguided else ORANGE, linewidth=1.6)
        axes.set_yticks(range(1, len(groups) + 1), list(groups) if axes is panels[0] else [""] * len(groups))
        axes.invert_yaxis()
        label_axes(axes, label)
    figure.suptitle("Score and density of generated images, by set, scale and target class", fontsize=10)
    return figure


def class_shift(summary: pd.DataFrame, real_name: str) -> Figure:
    """Mean score and densities by target class, with intervals and one line for each set and scale.

    The grey line shows the real training images of the same minority class.
    """
    classes = summary[summary["target_class"] != "all"]
    figure = Figure(figsize=(11, 3), layout="constrained")
    panels = figure.subplots(1, len(MEASURES))
    colours = colormaps["viridis"]
    groups = list(classes.groupby(["set", Column.SCALE.value], dropna=False, sort=True))
    for axes, (measure, label) in zip(panels, MEASURES.items(), strict=True):
        for number, ((name, scale), part) in enumerate(groups):
            part = part.assign(order=part["target_class"].astype(int)).sort_values("order")
            mean = part[f"{measure}_mean"]
            errors = [(mean - part[f"{measure}_low"]).clip(lower=0), (part[f"{measure}_high"] - mean).clip(lower=0)]
            real = name == real_name
            colour = GREY if real else colours(0.9 * number / max(1, len(groups)))
            text = "real, training" if real else f"{name}, scale {scale:g}"
            axes.errorbar(
                part["order"], mean, yerr=errors, label=text, color=colour, marker="o", markersize=3, capsize=2
            )
        label_axes(axes, "minority class (0: commonest)", f"mean {label}")
    panels[0].legend(fontsize=7, frameon=False)
    figure.suptitle("From common to rare: means and their 95 % intervals by target class", fontsize=10)
    return figure


def timestep_curve(curve: pd.DataFrame) -> Figure:
    """The criteria of the timestep choice for all candidates, with a mark at the chosen one."""
    names = [n for n in ("skewness", "reliability", "outlier_agreement", "density_agreement") if n in curve]
    chosen = curve.loc[curve["chosen"].astype(bool), "timestep"]
    figure = Figure(figsize=(2.75 * max(1, len(names)), 2.5), layout="constrained")
    for axes, name in zip(np.atleast_1d(figure.subplots(1, max(1, len(names)))), names, strict=True):
        axes.plot(curve["timestep"], curve[name], color=BLUE, marker="o", markersize=3)
        for timestep in chosen:
            axes.axvline(timestep, color=ORANGE, linewidth=1.2, linestyle="--")
        axes.set_title(name.replace("_", " "), fontsize=8)
        label_axes(axes, "timestep (training steps)")
    figure.suptitle(f"Choice of the score's timestep (dashed: chosen, {', '.join(map(str, chosen))})", fontsize=10)
    return figure


def classifier_curve(validation: pd.DataFrame, num_classes: int | None) -> Figure:
    """Accuracy and mean class error of the minority classifier by noise level; dashed lines show chance."""
    figure = Figure(figsize=(7, 2.6), layout="constrained")
    chance: Mapping[str, float] = {}
    if num_classes:
        distance = np.abs(np.subtract.outer(np.arange(num_classes), np.arange(num_classes))).mean()
        chance = {"accuracy": 1 / num_classes, "mean_absolute_error": float(distance)}
    labels = {"accuracy": "accuracy (share)", "mean_absolute_error": "mean absolute error (classes)"}
    for axes, (name, label) in zip(figure.subplots(1, 2), labels.items(), strict=True):
        axes.plot(validation["timestep"], validation[name], color=BLUE, marker="o", markersize=3)
        if name in chance:
            axes.axhline(chance[name], color=GREY, linewidth=0.8, linestyle="--")
        axes.set_ylim(bottom=0)
        label_axes(axes, "timestep (training steps)", label)
    figure.suptitle("Minority classifier on validation images (dashed: guessing)", fontsize=10)
    return figure


def label_axes(axes: Axes, x: str, y: str = "") -> None:
    """Label a panel in small type, and leave out the two sides of its frame that have no numbers."""
    axes.set_xlabel(x, fontsize=8)
    axes.set_ylabel(y, fontsize=8)
    axes.tick_params(labelsize=7)
    axes.spines[["top", "right"]].set_visible(False)


def _group_name(name: str, scale: float, target: int) -> str:
    return f"{name}, unguided" if target < 0 else f"{name}, scale {scale:g}, class {target}"
