"""Parts of the report about trust: whether generated images are copies, and whether they help a classifier."""

from typing import Any

import pandas as pd
import torch
from matplotlib.figure import Figure

from monai_minority.reports.charts import BLUE, GREY
from monai_minority.reports.contents import RunContents
from monai_minority.samples.pictures import picture_rows
from monai_minority.tables.rows import UNSEEN


def neighbour_pictures(run: RunContents, columns: int) -> Figure:
    """The generated images nearest to a training image, above that image.

    Distances are in aligned pixels if the memorization stage has run, otherwise in feature space.
    """
    by_pixels = run.copies is not None
    table = run.copies[run.copies["set"] != UNSEEN] if run.copies is not None else run.evaluation.generated
    distance, real = ("pixel_distance", "pixel_real") if by_pixels else ("nearest_distance", "nearest_real")
    closest = table.sort_values(distance, kind="stable").head(columns)
    made = [run.samples[name].batch([row])[0] for name, row in zip(closest["set"], closest["row"], strict=True)]
    unit = "root mean square of pixels in [-1, 1], mirrored and moved to fit" if by_pixels else "in feature space"
    return picture_rows(
        [torch.stack(made), run.store.batch(closest[real].to_numpy())],
        ["synthetic", "nearest real"],
        f"The generated images nearest to a training image, and that image (below: distance, {unit})",
        captions=[[f"{d:.3g}" for d in closest[distance]], [""] * len(closest)],
        synthetic=[[True] * len(closest), [False] * len(closest)],
    )


def copy_rows(run: RunContents) -> list[dict[str, Any]]:
    """Suspected copies by set."""
    return [] if run.copies_summary is None else _records(run.copies_summary)


def planted_rows(run: RunContents) -> list[dict[str, Any]]:
    """Results of the search for planted copies."""
    return [] if run.copies_planted is None else _records(run.copies_planted)


def utility_rows(run: RunContents) -> list[dict[str, Any]]:
    """Figures of the classifiers of the rare group."""
    return [] if run.utility is None else _records(run.utility)


def utility_chart(utility: pd.DataFrame) -> Figure:
    """Gain of each figure over real images alone, with its interval, in one line for each arm."""
    figures = utility["figure"].unique()
    arms = [arm for arm in utility["arm"].unique() if arm != utility["arm"].iloc[0]]
    figure = Figure(figsize=(11, 0.9 + 0.3 * len(arms)), layout="constrained")
    for axes, name in zip(figure.subplots(1, len(figures), squeeze=False)[0], figures, strict=True):
        part = utility[utility["figure"] == name].set_index("arm").loc[arms]
        errors = [part["gain"] - part["gain_low"], part["gain_high"] - part["gain"]]
        places = range(len(arms))
        axes.errorbar(part["gain"], places, xerr=[e.clip(lower=0) for e in errors], fmt="o", color=BLUE, capsize=3)
        axes.axvline(0, color=GREY, linewidth=0.8, linestyle="--")
        axes.set_yticks(places, arms if axes is figure.axes[0] else [""] * len(arms), fontsize=8)
        axes.invert_yaxis()
        axes.set_xlabel(f"gain in {name}", fontsize=8)
        axes.tick_params(labelsize=7)
        axes.spines[["top", "right"]].set_visible(False)
    return figure


def _records(table: pd.DataFrame) -> list[dict[str, Any]]:
    return [{str(key): value for key, value in row.items()} for row in table.to_dict("records")]
