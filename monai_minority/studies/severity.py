"""D.7: rarity and severity by target class."""

import numpy as np
import pandas as pd

from monai_minority.evaluation.agreement import rank_correlation
from monai_minority.keys import Column
from monai_minority.run.jobs import Job
from monai_minority.studies.cells import Cell, CellStudy, shared_cell, shared_sets
from monai_minority.studies.charts import NAMES
from monai_minority.studies.plan import StudyPlan
from monai_minority.studies.study import Tables
from monai_minority.studies.study_run import StudyRun
from monai_minority.studies.words import change, number, sides_of


class Severity(CellStudy):
    """Samples of each chosen class at one scale: whether rarity, and any measured severity, rise with the class."""

    title = "Do higher classes give rarer, more severe images?"
    source = "Appendix D.7"

    def calls(self, plan: StudyPlan) -> list[Job]:
        return shared_sets(plan, [(None, 0.0), *((c, plan.scale) for c in plan.chosen)])

    def cells(self, plan: StudyPlan) -> list[Cell]:
        guided = [shared_cell(plan, c, plan.scale, target=c) for c in plan.chosen]
        return [shared_cell(plan, None, 0.0, target=np.nan), *guided]

    def measure(self, run: StudyRun) -> Tables:
        tables = super().measure(run)
        images = tables["images"][tables["images"]["target_class"] >= 0]
        rows = []
        for measure in run.measures:
            if images["target_class"].nunique() > 1:
                found = rank_correlation(
                    images[measure].to_numpy(),
                    images["target_class"].to_numpy(),
                    subjects=images[Column.SEED].to_numpy(),  # the classes share their seeds
                    resamples=run.settings.resamples,
                    seed=run.settings.seed,
                )
                seeds = images[Column.SEED].nunique()
                ends = {"low": found.low, "high": found.high, "subjects": seeds}
                rows.append({"measure": measure, "value": found.value, **ends})
        return tables | {"correlations": pd.DataFrame(rows, columns=["measure", "value", "low", "high", "subjects"])}

    def tell(self, tables: Tables) -> str:
        table = tables["figures"].dropna(subset=["target"]).sort_values("target")
        low, high = table.iloc[0], table.iloc[-1]
        parts = []
        for _, row in tables["correlations"].iterrows():
            unknown = f"may or may not change (the {row['subjects']} seeds allow no interval)"
            verdict = sides_of(row["low"], row["high"], 0, "rises", "does not change measurably", "falls", unknown)
            parts.append(
                f"{NAMES[row['measure']]} {verdict} with the class sampled (rank correlation "
                f"{number(row['value'], row['low'], row['high'])})"
            )
        ends = "; ".join(change(low, high, m) for m in ("average_knn", "above_p90", "precision"))
        text = "; ".join(parts)
        text = f"{text[:1].upper()}{text[1:]}. " if text else ""
        text += f"From class {low['target']:.0f} to class {high['target']:.0f} ({low['n']} images each) {ends}."
        if "severity_measure_mean" not in table:
            text += " No measure of severity in pixels is configured (severity), so rarity alone was measured."
        return text
