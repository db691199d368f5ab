"""Rows of real and of generated images for the report. Nothing is picked: ends of the scores, and the first seeds."""

import numpy as np
import torch
from matplotlib.figure import Figure

from monai_minority.keys import Column
from monai_minority.reports.contents import RunContents
from monai_minority.reports.severity_findings import highest_guided, unguided_row
from monai_minority.samples.pictures import picture_rows
from monai_minority.tables.rows import UNSEEN


def common_to_rare(run: RunContents, columns: int) -> Figure:
    """Common and rare real images, then unguided ones and a row a target class of the set that is guided to the highest
    one; the columns of generated images share their seeds."""
    rows = [run.store.batch(ends) for ends in _ends_of_the_scores(run, columns)]
    labels, made = ["real, common", "real, rare"], [False, False]
    summary = run.evaluation.summary[run.evaluation.summary["duplicates"].notna()]
    generated = run.evaluation.generated.sort_values(Column.SEED.value, kind="stable")
    for chosen in (unguided_row(summary), highest_guided(summary)):
        if chosen is None:
            continue
        part = generated[(generated["set"] == chosen["set"]) & (generated[Column.SCALE] == chosen[Column.SCALE])]
        for target, group in part.groupby(Column.TARGET_CLASS.value, sort=True):
            rows.append(run.samples[chosen["set"]].batch(group["row"].head(columns).to_numpy()))
            labels.append("unguided" if target < 0 else f"class {target}")
            made.append(True)
    marks = [[mark] * len(row) for mark, row in zip(made, rows, strict=True)]
    return picture_rows(rows, labels, "From common to rare", synthetic=marks)


def real_pictures(run: RunContents, columns: int) -> Figure:
    """The most common and the rarest real images by score."""
    scores, ends = run.evaluation.real[Column.SCORE.value], _ends_of_the_scores(run, columns)
    return picture_rows(
        [run.store.batch(rows) for rows in ends],
        ["most common", "rarest"],
        "Real images by minority score (below each its score)",
        captions=[[f"{scores[row]:.3g}" for row in rows] for rows in ends],
    )


def sample_pictures(run: RunContents, name: str, columns: int) -> Figure:
    """The first images of a set in the order of their seeds, with a row for each scale and target class."""
    generated = run.evaluation.generated
    part = generated[generated["set"] == name].sort_values(Column.SEED.value, kind="stable")
    groups = list(part.groupby([Column.SCALE.value, Column.TARGET_CLASS.value], sort=True))
    several = part[Column.SCALE].nunique() > 1
    labels = [
        "unguided" if target < 0 else f"class {target}" + (f", scale {scale:g}" if several else "")
        for (scale, target), _ in groups
    ]
    chosen = [group.head(columns) for _, group in groups]
    if len(groups) == 1:  # nothing to put side by side, so two rows of it
        chosen = [
            group for group in (groups[0][1].iloc[:columns], groups[0][1].iloc[columns : 2 * columns]) if len(group)
        ]
        labels = (labels + [""])[: len(chosen)]
    scale = "" if several else f", scale {part[Column.SCALE].iloc[0]:g}"
    return picture_rows(
        [run.samples[name].batch(group["row"].to_numpy()) for group in chosen],
        labels,
        f"Synthetic images, set {name}{scale} (below each its minority score)",
        captions=[[f"{score:.3g}" for score in group[Column.SCORE]] for group in chosen],
        synthetic=[[True] * len(group) for group in chosen],
    )


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


def _ends_of_the_scores(run: RunContents, columns: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows of the images with the lowest and with the highest scores, the most extreme first."""
    rows = run.evaluation.real[Column.SCORE.value].dropna().sort_values(kind="stable").index.to_numpy()
    return rows[:columns], rows[::-1][:columns]
