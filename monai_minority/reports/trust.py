"""Parts of the report about trust: whether generated images are copies."""

from typing import Any

import pandas as pd
import torch
from matplotlib.figure import Figure

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


def _records(table: pd.DataFrame) -> list[dict[str, Any]]:
    return [{str(key): value for key, value in row.items()} for row in table.to_dict("records")]
