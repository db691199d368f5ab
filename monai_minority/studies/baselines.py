"""Tables 1, 7 and 8: minority guidance compared with other methods."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullLocator

from monai_minority.files import read_csv
from monai_minority.run.jobs import Job
from monai_minority.studies.charts import COLOURS, NAMES, panels, value
from monai_minority.studies.plan import StudyPlan
from monai_minority.studies.study import Study, Tables
from monai_minority.studies.study_run import StudyRun
from monai_minority.studies.words import figure_of

TABLE = "comparison/methods.csv"
MEASURES = ("frechet_distance", "precision", "recall", "average_knn", "local_outlier_factor", "minority_score")
SHARES = ("precision", "recall")
ACROSS = 3
"""Panels in a row; the first one shows the names of the methods."""


class Baselines(Study):
    """Shows the results of ``monai-minority compare`` in this run; it runs no stage."""

    title = "Is it better than other methods?"
    source = "Tables 1, 7 and 8"

    def calls(self, plan: StudyPlan) -> list[Job]:
        path = plan.run_dir / TABLE
        if not path.is_file():
            raise FileNotFoundError(f"{path} is missing; run `monai-minority compare` first, which writes it")
        return []

    def reads(self, plan: StudyPlan) -> list[Path]:
        return [plan.run_dir / TABLE]

    def context(self, run: StudyRun) -> dict[str, Any]:
        return {}  # the table has its own provenance, which differs from the study's settings

    def measure(self, run: StudyRun) -> Tables:
        self.calls(run.plan)
        return {"figures": read_csv(run.plan.run_dir / TABLE)}

    def draw(self, tables: Tables, run: StudyRun) -> Figure:
        table = tables["figures"]
        names = table["method"].str.replace("_", " ")
        shown = [measure for measure in MEASURES if {measure, f"{measure}_mean"} & set(table)]
        figure, axes = panels(len(shown), height=0.8 + 0.17 * len(table), columns=ACROSS)
        for place, (panel, measure) in enumerate(zip(axes, shown, strict=True)):
            middle, low, high = np.array([value(row, measure) for _, row in table.iterrows()]).T
            errors, place_of = np.nan_to_num([middle - low, high - middle]), range(len(names))
            panel.errorbar(middle, place_of, xerr=errors, fmt="o", c=COLOURS[0], ms=3, capsize=2, elinewidth=0.8)
            panel.set_yticks(range(len(names)), names if place % ACROSS == 0 else [""] * len(names))
            panel.set_ylim(len(names) - 0.5, -0.5)
            if measure not in SHARES and np.nanmin(middle) > 0 and np.nanmax(middle) > 3 * np.nanmin(middle):
                panel.set_xscale("log")  # one method with broken images would compress the others
                panel.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
                panel.xaxis.set_major_formatter("{x:g}")
                panel.xaxis.set_minor_locator(NullLocator())
            panel.set_xlabel(NAMES.get(measure, measure))
        return figure

    def tell(self, tables: Tables) -> str:
        table = tables["figures"]
        made = table[~table["method"].str.startswith("real")]
        parts = [
            _best(made, measure, name, lowest)
            for measure, name, lowest in (
                ("frechet_distance", "is the nearest to the most unique real images (Fréchet distance)", True),
                ("recall", "has the highest recall of them", False),
                ("average_knn", "lies the furthest out (AvgkNN)", False),
                ("minority_score", "has the highest minority score", False),
            )
        ]
        return f"Of {len(made)} methods {'; '.join(part for part in parts if part)}. All figures: {TABLE}."


def _best(table: pd.DataFrame, measure: str, name: str, lowest: bool) -> str:
    """The method with the highest or lowest value of a measure, and the methods whose intervals overlap with it."""
    known = [row for _, row in table.iterrows() if measure in row or f"{measure}_mean" in row]
    known = [row for row in known if not math.isnan(value(row, measure)[0])]
    if not known:
        return ""
    best = (min if lowest else max)(known, key=lambda row: value(row, measure)[0])
    _, low, high = value(best, measure)
    alike = [
        row["method"]
        for row in known
        if row["method"] != best["method"] and value(row, measure)[1] <= high and low <= value(row, measure)[2]
    ]
    text = f"{best['method'].replace('_', ' ')} {name}, {figure_of(best, measure)}"
    return text + (f", not measurably apart from {', '.join(alike).replace('_', ' ')}" if alike else "")
