"""The cohort review of a report: the most unusual subjects and images, with the most similar images of others."""

from typing import Any

import pandas as pd
import torch
from matplotlib.figure import Figure

from monai_minority.data import ImageStore
from monai_minority.keys import Column
from monai_minority.reports.contents import RunContents
from monai_minority.samples.export import spacing_of
from monai_minority.samples.pictures import picture_rows
from monai_minority.tables.unusual import NEIGHBOURS

LISTED = 10
"""Rows of a table in the report; the CSV files have more."""

_IMAGES = {
    "rank": "",
    "subject": "subject",
    "row": "row",
    Column.SLICE.value: "slice",
    Column.POSITION.value: "position",
    Column.SPLIT.value: "split",
    Column.GROUP.value: "group",
    Column.SEVERITY.value: "severity",
    Column.SCORE.value: "score",
    Column.SCORE_ERROR.value: "± error",
    f"{Column.SCORE.value}_percentile": "percentile",
    "average_knn": "AvgkNN",
    "average_knn_percentile": "percentile",
    "local_outlier_factor": "LOF",
    "local_outlier_factor_percentile": "percentile",
}
_SIDES = {
    "axial": "the patient's right on the left and the front at the top",
    "coronal": "the patient's right on the left and the vertex at the top",
    "sagittal": "the front on the left and the vertex at the top",
}
_UNITS = {"mm": "mm", "fraction": "shares of the head", "index": "slices"}
_SUBJECTS = {
    "rank": "",
    "subject": "subject",
    "images": "images",
    Column.SPLIT.value: "split",
    Column.GROUP.value: "group",
    "mean_score": "mean score",
    "mean_score_percentile": "percentile",
    "highest_score": "highest score",
    "highest_row": "its row",
}


def unusual_pictures(run: RunContents, columns: int) -> Figure:
    """The most unusual images, one in each column, above their nearest training images of other subjects."""
    table = run.evaluation.unusual_images.head(columns)
    rows = [run.store.batch(table["row"].to_numpy())]
    captions = [[_caption(row, Column.SCORE.value) for _, row in table.iterrows()]]
    for k in range(1, NEIGHBOURS + 1):
        known = table[f"neighbour_{k}_row"].notna().to_numpy()
        images = torch.ones_like(rows[0])  # white where there is no such neighbour
        images[torch.tensor(known)] = run.store.batch(table[f"neighbour_{k}_row"][known].to_numpy(dtype=int))
        rows.append(images)
        neighbour = f"neighbour_{k}_"
        captions.append([_caption(row, f"{neighbour}distance", neighbour) for _, row in table.iterrows()])
    return picture_rows(
        rows,
        ["most unusual", *(f"neighbour {k}" for k in range(1, len(rows)))],
        "Real images of the highest scores (below: score) and the most similar ones of others (below: distance)",
        captions=captions,
    )


def large_view(run: RunContents) -> Figure:
    """The most unusual image and its nearest training image of another subject, large."""
    row = run.evaluation.unusual_images.iloc[0]
    known = [prefix for prefix in ("", "neighbour_1_") if pd.notna(row[f"{prefix}row"])]
    values = {"": Column.SCORE.value, "neighbour_1_": "neighbour_1_distance"}
    return picture_rows(
        [run.store.batch([int(row[f"{prefix}row"]) for prefix in known])],
        [""],
        "The most unusual image (below: score) and the nearest of others (below: distance)",
        captions=[[_caption(row, values[prefix], prefix).replace("\n", ", ") for prefix in known]],
        side=4.0,
    )


def orientation(store: ImageStore) -> str:
    """How the slices of a store lie, as far as it knows."""
    axis, spacing = store.geometry.get("axis"), spacing_of(store)
    told = f"The slices are {axis}, with {_SIDES[axis]}." if axis in _SIDES else ""
    told += "" if spacing is None else f" A pixel is {spacing[0]:.3g} x {spacing[1]:.3g} mm."
    unit = store.meta.get("position_unit")
    return told + (f" Positions along the axis are in {_UNITS.get(unit, unit)}." if unit and told else "")


def unusual_tables(run: RunContents) -> list[dict[str, Any]]:
    """Title, headings and first rows of both tables; the table of subjects only if a subject has several images."""
    evaluation = run.evaluation
    blocks = [("Images", evaluation.unusual_images, _IMAGES, "unusual_images.csv")]
    if (evaluation.unusual_subjects["images"] > 1).any():
        blocks.insert(0, ("Subjects", evaluation.unusual_subjects, _SUBJECTS, "unusual_subjects.csv"))
    return [
        {
            "name": name,
            "file": file,
            "columns": [heading for column, heading in headings.items() if _has(table, column)],
            "rows": [
                [_cell(row[column]) for column in headings if _has(table, column)]
                for row in table.head(LISTED).to_dict("records")
            ],
        }
        for name, table, headings, file in blocks
    ]


def _has(table: pd.DataFrame, column: str) -> bool:
    return column in table and bool(table[column].notna().any())


def _cell(value: Any) -> Any:
    """``None``, which becomes a dash, for empty text, which a CSV file returns as a missing number."""
    return None if isinstance(value, float) and pd.isna(value) else value


def _caption(row: pd.Series, value: str, prefix: str = "") -> str:
    """The subject's pseudonym, the row of the image, and a value."""
    number, subject = row[f"{prefix}row"], row[f"{prefix}subject"]
    if pd.isna(number):
        return ""
    who = "" if pd.isna(subject) or not subject else f"{subject}\n"
    return f"{who}row {number:.0f}: {row[value]:.3g}"
