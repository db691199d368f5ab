"""The common part of studies of sample sets: one row for each cell, one panel for each measure."""

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from monai_minority.data.store.image_store import ImageStore
from monai_minority.run.jobs import Job
from monai_minority.studies.charts import NAMES, intervals, level, panels
from monai_minority.studies.plan import SHARED, StudyPlan
from monai_minority.studies.study import Study, Tables
from monai_minority.studies.study_run import StudyRun
from monai_minority.tables.reference import choose_reference
from monai_minority.tables.rows import REAL

FIDELITY = ("above_p90", "precision", "recall", "frechet_distance_equal_n")
Cell = tuple[dict[str, Any], str, str]
"""Columns of a cell, the folder of its sample set under ``studies/``, and the name of the set."""


class CellStudy(Study):
    """A study of sample sets that differ in one setting, on the horizontal axis, and perhaps in another, by colour.

    Attributes:
        x: column of the setting.
        x_label: label of the horizontal axis.
        by: column of the other setting; ``None`` if there is none.
        logarithmic: whether the horizontal axis is logarithmic.
        also: further measures to draw.
    """

    x = "target"
    x_label = "minority class sampled (0: commonest)"
    by: str | None = None
    logarithmic = False
    also: tuple[str, ...] = ()

    def context(self, run: StudyRun) -> dict[str, Any]:
        reference = choose_reference(run.real.table, run.settings)
        return run.context | {
            "reference": reference.description,
            "reference_size": len(reference.rows),
            "intervals": f"95 %: shares Wilson's; else bootstrap, {run.settings.resamples} resamples, of distances "
            f"{run.settings.distance_resamples}; all of subjects and seeds",
        }

    @abstractmethod
    def cells(self, plan: StudyPlan) -> list[Cell]:
        """The columns of each cell, and the folder and the name of its sample set."""

    def measure(self, run: StudyRun) -> Tables:
        cells = self.cells(run.plan)
        opened: dict[str, ImageStore] = {f"{f}/{n}": run.samples(f, n) for _, f, n in cells}
        summary = run.summary(opened).set_index("set")
        rows = [{**columns, "cell": f"{f}/{n}", **summary.loc[f"{f}/{n}"].to_dict()} for columns, f, n in cells]
        real = {"cell": REAL, **summary.loc[REAL].to_dict()}
        figures = pd.DataFrame([real, *rows])
        return {"figures": figures.drop(columns=["target_class"]), "images": run.images(opened)}

    def draw(self, tables: Tables, run: StudyRun) -> Figure:
        table = tables["figures"]
        measures = [m for m in (*run.measures, *self.also, *FIDELITY) if _known(table, m)]
        figure, axes = panels(len(measures))
        cells = table[table["cell"] != REAL]
        plain = cells[cells[self.x].isna()]
        shown = cells[cells[self.x].notna()]
        groups = [("", shown)] if self.by is None else list(shown.groupby(self.by, sort=True))
        for panel, measure in zip(axes, measures, strict=True):
            for place, (label, part) in enumerate(groups):
                part = part.sort_values(self.x)
                text = label if isinstance(label, str) else f"{str(self.by).replace('_', ' ')} {label:g}"
                intervals(panel, part[self.x].to_list(), part, measure, place, text)
            if len(plain):
                level(panel, plain.iloc[0], measure, "unguided")
            real = table[table["cell"] == REAL].iloc[0]
            if measure in run.measures or measure == "above_p90":
                level(panel, real, measure, "real, training", ":")
            if self.logarithmic:
                panel.set_xscale("log")
            ticks = np.sort(shown[self.x].unique().astype(float))
            apart = np.diff(np.log(ticks)) > 0.3 if self.logarithmic else np.ones(len(ticks) - 1, bool)
            if len(ticks) <= 8:
                ticks = ticks[[True, *apart]]  # values that are close would cover each other's
                panel.set_xticks(ticks, [f"{v:g}" for v in ticks])
                panel.minorticks_off()
            panel.set_ylabel(NAMES.get(measure, measure))
        handles, labels = axes[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside upper center", ncols=min(5, len(labels)))
        figure.supxlabel(self.x_label, fontsize="medium")  # once for all panels, because it is longer than a panel
        return figure


def shared_sets(plan: StudyPlan, targets: Sequence[tuple[int | None, float]]) -> list[Job]:
    """Jobs of shared sample sets."""
    return [plan.sampling(target, scale) for target, scale in targets]


def shared_cell(plan: StudyPlan, target: int | None, scale: float, /, **columns: Any) -> Cell:
    """A cell that is a shared sample set."""
    return columns, SHARED, plan.set_name(target, scale)


def _known(table: pd.DataFrame, measure: str) -> bool:
    column = f"{measure}_mean" if f"{measure}_mean" in table else measure
    return column in table and not np.isnan(table[column].to_numpy(float)).all()
