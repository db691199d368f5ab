"""The evaluation in TensorBoard: one run for each set of images, with the same tags, so that their curves overlay."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from torchvision.utils import make_grid

from monai_minority.keys import Column, Split
from monai_minority.reports.charts import MEASURES
from monai_minority.reports.contents import RunContents
from monai_minority.run import summary_writer
from monai_minority.tables.measures import SEVERITY_MEASURE
from monai_minority.tables.rows import ALL
from monai_minority.tables.severity import ABOVE

_FIGURES = {
    "2_fidelity/looks_real": "rarity_valid",
    "2_fidelity/precision": "precision",
    "2_fidelity/recall": "recall",
    "2_fidelity/frechet_distance_equal_n": "frechet_distance_equal_n",
    **{f"3_rarity/{measure}": f"{measure}_mean" for measure in MEASURES},
    "3_rarity/above_real_90th_percentile": "above_p90",
}
"""Tags and the columns of the summary that they show. TensorBoard sorts tags by name, and severity comes first."""

_PICTURES = "common_above_rare_nearest_real_in_blue"
_READING = """A step is a target class: 0 is the most common, the last the rarest.

A set without classes is a level line.

Set *Smoothing* to 0: at TensorBoard's 0.6 a curve of a few classes lags behind its values, which are drawn in pale.

In pictures of synthetic images, the row below each class, in blue frames, has the nearest real training images."""
_FRAME = 2
_BLUE = (0.0, 0.447, 0.698)


def write_tensorboard(run_dir: str | Path, *, columns: int = 8) -> Path:
    """Write the evaluation of a run for TensorBoard into ``tensorboard/evaluation`` of its folder, in place of what is
    there.

    There is a run for the real images and one for each set and guidance scale. The step is the target class, of real
    training images their minority class, so that an axis goes from common to rare. A set without classes is a level
    line. Severity is ``1_severity/…`` by each judge; then come fidelity and rarity. Histograms of each class show
    severity, score and densities. The grid of a set has two rows for each class: its first images, and below them the
    nearest real training images in blue frames. The settings of a set, and how to read all this, are text.

    Args:
        run_dir: run folder with ``store/`` and ``evaluation/``.
        columns: images in a row.

    Returns:
        The folder.

    Raises:
        FileNotFoundError: the run has no store or no evaluation.
    """
    run = RunContents.open(run_dir)
    folder = Path(run_dir) / "tensorboard" / "evaluation"
    shutil.rmtree(folder, ignore_errors=True)
    last = _last_class(run.evaluation.summary)
    writers: dict[str, Any] = {}

    def writer(name: str) -> Any:
        return writers.setdefault(name, summary_writer(folder / name))

    severity = run.evaluation.severity
    for tag, value, table in (
        *((f"1_severity/share_above_99_{judge}", ABOVE, part) for judge, part in severity.groupby("judge")),
        *((f"1_severity/mean_{judge}", "mean", part) for judge, part in severity.groupby("judge")),
        *((tag, column, run.evaluation.summary) for tag, column in _FIGURES.items()),
    ):
        for name, points in _curves(table, value, last):
            for step, figure in points:
                writer(name).add_scalar(tag.replace(" ", "_"), figure, step)
    _add_images(run, writer, columns)
    for name, settings in run.sample_settings().items():
        for run_name in [one for one in writers if one == name or one.startswith(f"{name}_scale_")]:
            writer(run_name).add_text("settings", _as_markdown(settings))
    writer(next(iter(writers))).add_text("how_to_read", _READING)
    for one in writers.values():
        one.close()
    return folder


def _last_class(summary: pd.DataFrame) -> int:
    """The highest class of the table, at least 1: where a level line ends."""
    classes = summary["target_class"][summary["target_class"] != ALL].astype(float)
    return max(1, int(classes.max())) if len(classes) else 1


def _curves(table: pd.DataFrame, column: str, last: int) -> Iterator[tuple[str, list[tuple[int, float]]]]:
    """Of each run its name and its points: one for each class, or a level line where there are no classes."""
    if column not in table:
        return
    table = table[table[column].notna()]
    by_class = set(table["set"][table["target_class"] != ALL])
    known = table.get("known", pd.Series(index=table.index, dtype=str))
    labelled = known.notna() & (known != "")
    for (made, scale), part in table[~labelled].groupby(["set", Column.SCALE.value], dropna=False, sort=False):
        classes = part[part["target_class"] != ALL]
        if len(classes):
            points = sorted(zip(classes["target_class"].astype(float).astype(int), classes[column], strict=True))
        elif made in by_class:  # a whole set of several scales
            continue
        else:
            points = [(step, part[column].iloc[0]) for step in (0, last)]
        yield _run_name(made, scale), points
    for (made, group), part in table[labelled].groupby(["set", known[labelled]], sort=False):
        yield _run_name(f"{made}, {group}", float("nan")), [(step, part[column].iloc[0]) for step in (0, last)]


def _add_images(run: RunContents, writer: Any, columns: int) -> None:
    training = run.evaluation.real[run.evaluation.real[Column.SPLIT] == Split.TRAIN]
    for target, part in training.groupby(Column.MINORITY_CLASS.value, sort=True):
        _add_histograms(writer("real_training"), part, int(target))
    keys = ["set", Column.SCALE.value, Column.TARGET_CLASS.value]
    grids: dict[str, list[torch.Tensor]] = {}
    for (name, scale, target), part in run.evaluation.generated.groupby(keys, sort=True):
        made = _run_name(name, scale)
        _add_histograms(writer(made), part, max(target, 0))
        shown = part[:columns]
        images = run.samples[name].batch(shown["row"].to_numpy())
        nearest = run.store.batch(shown["nearest_real"].to_numpy())
        grids[made] = [*grids.get(made, []), _row(images, columns), _row(nearest, columns, _BLUE)]
    for name, rows in grids.items():
        writer(name).add_image(f"synthetic/{_PICTURES}", make_grid(torch.cat(rows), nrow=columns), 0)
    scores = run.evaluation.real[Column.SCORE].dropna().sort_values(kind="stable").index.to_numpy()
    if len(scores) >= columns:
        ends = [_row(run.store.batch(rows), columns, _BLUE) for rows in (scores[:columns], scores[::-1][:columns])]
        writer("real_training").add_image("real/common_above_rare", make_grid(torch.cat(ends), nrow=columns), 0)


def _add_histograms(writer: Any, table: pd.DataFrame, step: int) -> None:
    for measure in (SEVERITY_MEASURE, *MEASURES):
        values = table[measure].dropna() if measure in table else ()
        if len(values):
            writer.add_histogram(measure, np.asarray(values), step)


def _row(images: torch.Tensor, columns: int, frame: tuple[float, float, float] = (1.0, 1.0, 1.0)) -> torch.Tensor:
    """A row of framed colour tiles in [0, 1]; white tiles fill it."""
    height, width = images.shape[-2:]
    tiles = torch.ones(columns, 3, height + 2 * _FRAME, width + 2 * _FRAME)
    tiles[: len(images)] = torch.tensor(frame).view(3, 1, 1)
    tiles[: len(images), :, _FRAME:-_FRAME, _FRAME:-_FRAME] = images.clamp(-1, 1).add(1).div(2)
    return tiles


def _run_name(made: str, scale: float) -> str:
    """Folder of a run, such as ``real_training``, ``unguided`` or ``guided_scale_4``."""
    name = str(made).replace(", ", "_").replace(" ", "_")
    return name if np.isnan(scale) or scale == 0 else f"{name}_scale_{scale:g}"


def _as_markdown(settings: dict[str, Any]) -> str:
    lines = [f"| {key} | {value} |" for key, value in settings.items() if not isinstance(value, dict | list)]
    return "\n".join(["| setting | value |", "| --- | --- |", *lines])
