"""The report of a run: one self-contained HTML file."""

import base64
import io
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape
from matplotlib.figure import Figure

from monai_minority.files import whole_file
from monai_minority.keys import Column, Split
from monai_minority.reports import charts, pictures
from monai_minority.reports.answers import answers_of
from monai_minority.reports.contents import RunContents
from monai_minority.reports.findings import broken_backbone, findings_of, too_few_rare
from monai_minority.reports.severity_chart import severity_chart
from monai_minority.reports.unusual import large_view, orientation, unusual_pictures, unusual_tables
from monai_minority.reports.usefulness import sensitivity_rows, usefulness_chart, usefulness_findings
from monai_minority.tables.comparison import COSTS
from monai_minority.tables.measures import DENSITIES, LABELS
from monai_minority.tables.provenance import PROVENANCE
from monai_minority.tables.rows import REAL
from monai_minority.version import __version__

DPI = 110
SIGNIFICANT = 4


def write_report(run_dir: str | Path, path: str | Path | None = None, *, title: str = "", columns: int = 8) -> Path:
    """Write the report of a run.

    The file needs no other file, no script and no network. It shows real images, which a reader of the run may see, and
    pseudonyms of subjects. It contains no name of a subject, source or folder.

    Args:
        run_dir: run folder with ``store/`` and ``evaluation/``. The report names missing parts and leaves them out.
        path: path of the file; ``None`` takes ``report.html`` in the run folder.
        title: heading; ``None`` or an empty text takes a general one.
        columns: images in a row.

    Returns:
        Path of the file.

    Raises:
        FileNotFoundError: the run has no store or no evaluation.
    """
    run = RunContents.open(run_dir)
    path = Path(run_dir) / "report.html" if path is None else Path(path)
    environment = Environment(
        loader=PackageLoader("monai_minority.reports"),
        autoescape=select_autoescape(["j2", "html"]),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["number"] = rounded
    environment.filters["png"] = as_png
    environment.filters["data_uri"] = lambda path: data_uri(Path(path).read_bytes())
    environment.filters["words"] = words
    html = environment.get_template("report.html.j2").render(
        title=title or "Rare images of this data set: scores, samples and figures",
        version=__version__,
        written=datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        answers=answers_of(run.evaluation, run.copies_summary, run.utility),
        warnings=list(filter(None, (broken_backbone(run.evaluation), too_few_rare(run.membership)))),
        first_picture=pictures.common_to_rare(run, columns),
        findings=findings_of(run.evaluation, run.copies_summary, run.membership),
        severity_chart=severity_chart(run.evaluation.severity),
        severity=_records(run.evaluation.severity),
        dispersion=_records(run.evaluation.dispersion),
        counts=_counts(run),
        real_pictures=pictures.real_pictures(run, columns),
        unusual_pictures=unusual_pictures(run, columns),
        unusual_tables=unusual_tables(run),
        large_view=large_view(run),
        lying=orientation(run.store),
        sample_pictures=[pictures.sample_pictures(run, name, columns) for name in run.samples],
        neighbour_pictures=pictures.neighbour_pictures(run, columns) if run.samples else None,
        copies=_records(run.copies_summary),
        planted=_records(run.copies_planted),
        studies=run.studies,
        utility=[] if run.utility is None else _records(sensitivity_rows(run.utility)),
        other_utility=[] if run.utility is None else _records(run.utility.drop(sensitivity_rows(run.utility).index)),
        utility_findings=[] if run.utility is None else usefulness_findings(run.utility),
        utility_chart=None if run.utility is None else usefulness_chart(run.utility),
        distributions=charts.distributions(run.evaluation.real, run.evaluation.generated),
        class_shift=_class_shift(run),
        timesteps=None if run.timesteps is None else charts.timestep_curve(run.timesteps),
        classifier=None if run.classifier is None else charts.classifier_curve(run.classifier, _classes(run)),
        shift_table=_shift_table(run.evaluation.summary),
        spaces=_records(run.evaluation.spaces),
        groups=_records(run.evaluation.groups),
        agreement=_records(run.evaluation.agreement),
        comparison=_comparison(run),
        fidelity=_records(run.evaluation.fidelity),
        summary=_blocks(run.evaluation.summary),
        reference=run.evaluation.context["reference"],
        equal_n=run.evaluation.context["equal_n"],
        context=_flat({k: v for k, v in run.evaluation.context.items() if k != "reference_rows"}),
        settings={name: _flat(settings) for name, settings in run.sample_settings().items()},
        record=_recorded(run.record),
        times=run.record.get("stages", {}),
        rejected=_records(run.rejected),
        missing=run.missing,
    )
    with whole_file(path) as partial:
        partial.write_text(html, encoding="utf-8")
    return path


def rounded(value: Any) -> str:
    """A number with four significant digits; an integer in full, and a dash for a missing number."""
    if value is None or (isinstance(value, float) and np.isnan(value)):
        return "–"
    if isinstance(value, bool | np.bool_ | str):
        return str(value)
    if float(value).is_integer() and abs(value) < 1e9:
        return f"{int(value)}"
    return f"{value:.{SIGNIFICANT}g}"


def words(name: str) -> str:
    """The name of a column in words."""
    return LABELS[name] if name in DENSITIES else name.replace("_", " ")


def as_png(figure: Figure) -> str:
    """A figure as a data URI."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=DPI, bbox_inches="tight", metadata={"Software": None})
    return data_uri(buffer.getvalue())


def data_uri(png: bytes) -> str:
    """The bytes of a PNG as a data URI."""
    return "data:image/png;base64," + base64.b64encode(png).decode()


def _class_shift(run: RunContents) -> Figure | None:
    summary = run.evaluation.summary
    guided = summary[(summary["target_class"] != "all") & (summary["set"] != REAL)]
    return charts.class_shift(summary, REAL) if len(guided) else None


def _classes(run: RunContents) -> int | None:
    number_of = None if run.classes is None else run.classes.num_classes
    return number_of if isinstance(number_of, int) else None


def _counts(run: RunContents) -> dict[str, int]:
    splits = run.store.table[Column.SPLIT].value_counts()
    counts = {f"real images, {split.value}": int(splits[split]) for split in Split if split in splits}
    return counts | {f"synthetic images, {name}": len(store) for name, store in run.samples.items()}


def _shift_table(summary: pd.DataFrame) -> list[dict[str, Any]]:
    """Means by set, scale and class, each with its difference from the class below."""
    classes = summary[summary["target_class"] != "all"]
    rows = []
    for (name, scale), part in classes.groupby(["set", Column.SCALE.value], dropna=False, sort=False):
        part = part.assign(order=part["target_class"].astype(int)).sort_values("order")
        for measure in charts.MEASURES:
            part[f"{measure}_step"] = part[f"{measure}_mean"].diff()
        for _, row in part.iterrows():
            cells = [(row[f"{m}_mean"], row[f"{m}_step"]) for m in charts.MEASURES]
            rows.append({"set": name, "scale": scale, "target": row["target_class"], "n": row["n"], "cells": cells})
    return rows


def _records(table: pd.DataFrame | None) -> list[dict[Any, Any]]:
    return [] if table is None else table.to_dict("records")


_TOGETHER = {
    "precision": "precision and recall",
    "recall": "precision and recall",
    "density": "density and coverage",
    "coverage": "density and coverage",
    "kernel_distance": "kernel distance (KID)",
    "rarity_valid": "rarity",
}
"""Columns that share a block of the summary."""


def _blocks(summary: pd.DataFrame) -> list[dict[str, Any]]:
    """The columns of the summary in blocks, one for each measure, because a page is narrow."""
    fixed = ["set", "target_class", Column.SCALE.value, "n"]
    blocks: dict[str, list[str]] = {}
    for column in summary.columns.drop([*fixed, *PROVENANCE], errors="ignore"):
        stem = column
        for ending in ("_mean", "_low", "_high", "_q10", "_q50", "_q90"):
            stem = stem.removesuffix(ending)
        stem = _TOGETHER.get(stem, stem)
        stem = "Fréchet distance" if stem.startswith("frechet") else stem
        blocks.setdefault(stem, []).append(column)
    return [
        {
            "name": words(name),
            "columns": [column.removeprefix(f"{name}_").replace("_", " ") for column in columns],
            "rows": [
                ([row[c] for c in fixed], [row[c] for c in columns])
                for row in summary.dropna(subset=columns, how="all").to_dict("records")
            ],
        }
        for name, columns in blocks.items()
    ]


def _comparison(run: RunContents) -> dict[str, Any] | None:
    """The table of methods in blocks that fit a page, the picture, and the reference of the measures."""
    if run.comparison is None or run.comparison_context is None or run.comparison_picture is None:
        return None
    table = run.comparison
    blocks = {
        "fidelity": [c for c in table if c.startswith(("frechet", "spatial_frechet", "precision", "recall"))],
        "rarity": [
            c
            for c in table
            if c.startswith(("average", "local", "rarity", "minority", "sever")) and not c.endswith(("q50", "q90"))
        ],
        "duplicates and cost": [c for c in ("duplicates", "steps", *COSTS) if c in table],
    }
    return {
        "blocks": [
            {"name": name, "columns": [words(c) for c in columns], "rows": table[["method", "n", *columns]].values}
            for name, columns in blocks.items()
        ],
        "picture": data_uri(run.comparison_picture),
        "reference": run.comparison_context["reference"],
        "samplers": _flat(table.dropna(subset="sampler").set_index("method")["sampler"].to_dict()),
        "context": _flat({k: v for k, v in run.comparison_context.items() if k != "reference_rows"}),
    }


def _recorded(record: dict[str, Any]) -> list[tuple[str, Any]]:
    """Of each stage its times, versions, machine, what it read, and its settings that are plain values."""
    lines: dict[str, Any] = {}
    for name, entry in record.get("stages", {}).items():
        settings = {
            key: value
            for key, value in entry.get("settings", {}).items()
            if "::" not in key and not (isinstance(value, str) and value.startswith(("@", "$")))
        }
        rest = {key: value for key, value in entry.items() if key not in ("settings", "fingerprint", "outputs")}
        lines[name] = {**settings, **rest}
    return _flat(lines)


def _flat(value: Any, prefix: str = "") -> list[tuple[str, Any]]:
    """Nested settings as rows of a table: ``stage.setting`` and its value."""
    if isinstance(value, dict):
        return [line for key, item in value.items() for line in _flat(item, f"{prefix}.{key}" if prefix else str(key))]
    if isinstance(value, list):
        shown = ", ".join(str(item) for item in value[:20])
        return [(prefix, shown if len(value) <= 20 else f"{shown}, … ({len(value)} in all)")]
    return [(prefix, value)]
