"""The evaluation in TensorBoard: scalars, histograms and grids of images."""

from pathlib import Path

import numpy as np
import torch
from torchvision.utils import make_grid

from monai_minority.keys import Column
from monai_minority.reports.charts import MEASURES
from monai_minority.reports.contents import RunContents
from monai_minority.run import summary_writer
from monai_minority.tables.provenance import PROVENANCE
from monai_minority.tables.severity import ABOVE

_LABELS = ("set", "target_class", Column.SCALE.value, "n")


def write_tensorboard(run_dir: str | Path, log_dir: str | Path | None = None, *, columns: int = 8) -> Path:
    """Write the evaluation of a run for TensorBoard.

    The step of scalars and histograms is the target class, so that an axis or a slider goes from common to rare.
    Figures of a whole set have step 0. A grid has a row for each target class. Tags of generated images start with
    ``synthetic/``. ``severity/share_above_99`` is the share of images as severe as
    the worst 1 % of normal ones, by judge, set and scale.

    Args:
        run_dir: run folder with ``store/`` and ``evaluation/``.
        log_dir: folder of the events; ``None`` takes ``tensorboard/evaluation`` in the run folder. Existing events in
            the folder are replaced.
        columns: images in a row.

    Returns:
        The folder.

    Raises:
        FileNotFoundError: the run has no store or no evaluation.
    """
    run = RunContents.open(run_dir)
    folder = Path(run_dir) / "tensorboard" / "evaluation" if log_dir is None else Path(log_dir)
    for old in folder.glob("events.out.tfevents.*"):
        old.unlink()
    writer = summary_writer(folder)
    summary = run.evaluation.summary
    for row in summary.to_dict("records"):
        step = 0 if row["target_class"] == "all" else int(row["target_class"])
        group = str(row["set"]).replace(", ", "_").replace(" ", "_")
        if row["target_class"] != "all":
            group += "_by_class" if np.isnan(row[Column.SCALE]) else f"_by_class_scale_{row[Column.SCALE]:g}"
        for name, value in row.items():
            if name not in (*_LABELS, *PROVENANCE) and not np.isnan(value):
                writer.add_scalar(f"{name}/{group}", value, step)
    for row in run.evaluation.severity.to_dict("records"):
        if row["target_class"] != "all" and not np.isnan(row[ABOVE]):
            tag = f"severity/{ABOVE}/{row['judge']}/{row['set']}_by_class_scale_{row[Column.SCALE]:g}"
            writer.add_scalar(tag.replace(" ", "_"), row[ABOVE], int(row["target_class"]))
    for measure in MEASURES:
        writer.add_histogram(f"real/{measure}", run.evaluation.real[measure].dropna().to_numpy(), 0)
    keys = ["set", Column.SCALE.value, Column.TARGET_CLASS.value]
    grids: dict[str, list[torch.Tensor]] = {}
    for (name, scale, target), part in run.evaluation.generated.groupby(keys, sort=True):
        for measure in MEASURES:
            writer.add_histogram(
                f"synthetic/{measure}/{name}_scale_{scale:g}", part[measure].to_numpy(), max(target, 0)
            )
        images = run.samples[name].batch(part["row"].to_numpy()[:columns])
        blank = images.new_ones(columns - len(images), *images.shape[1:])
        grids.setdefault(f"synthetic/{name}_scale_{scale:g}", []).append(torch.cat([images, blank]))
    scores = run.evaluation.real[Column.SCORE].dropna().sort_values(kind="stable").index.to_numpy()
    if len(scores) >= columns:
        grids["real/common_above_rare"] = [run.store.batch(scores[:columns]), run.store.batch(scores[::-1][:columns])]
    for tag, rows in grids.items():
        writer.add_image(tag, make_grid(torch.cat(rows).clamp(-1, 1).add(1).div(2), nrow=columns), 0)
    writer.close()
    return folder
