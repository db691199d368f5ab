"""Quality of guided samples against the evaluations that they cost, by solver, steps and guided steps."""

from typing import Any

import numpy as np
import pandas as pd

from monai_minority.run.jobs import Job
from monai_minority.studies.cells import Cell, CellStudy, shared_cell
from monai_minority.studies.plan import SHARED, StudyPlan
from monai_minority.studies.study import Tables
from monai_minority.studies.study_run import StudyRun
from monai_minority.studies.words import change
from monai_minority.tables.measures import SEVERITY_MEASURE

COSTS = ("backbone_evaluations", "classifier_evaluations", "seconds_an_image")


class Solvers(CellStudy):
    """Samples of the rarest class by each solver at each number of steps, and with guidance at some of the steps.

    The solvers are compared with guidance at every step; the choices of guided steps with the bundle's own solver at
    the number of steps of the other studies.
    """

    title = "How few evaluations do guided samples need?"
    source = "beyond the paper"
    x = "evaluations"
    x_label = "evaluations of backbone and classifier an image"
    by = "sampled_by"
    logarithmic = True

    def calls(self, plan: StudyPlan) -> list[Job]:
        solved = [
            self._job(plan, f"{name}_{steps}", **settings, sampling_steps=steps)
            for name, settings in plan.solvers.items()
            for steps in plan.solver_steps
        ]
        partly = [self._job(plan, f"guided_{name}", **settings) for name, settings in plan.guided_steps.items()]
        return [plan.sampling(None, 0.0), *solved, *partly]

    def cells(self, plan: StudyPlan) -> list[Cell]:
        solved = [
            ({"sampled_by": name, "steps": steps}, SHARED, f"{name}_{steps}")
            for name in plan.solvers
            for steps in plan.solver_steps
        ]
        partly = [
            (
                {"sampled_by": f"guided {name}", "steps": settings.get("sampling_steps", plan.steps)},
                SHARED,
                f"guided_{name}",
            )
            for name, settings in plan.guided_steps.items()
        ]
        return [shared_cell(plan, None, 0.0, sampled_by="unguided", steps=plan.steps), *solved, *partly]

    def measure(self, run: StudyRun) -> Tables:
        tables = super().measure(run)
        made = {f"{folder}/{name}": run.samples(folder, name).meta for _, folder, name in self.cells(run.plan)}
        costs = pd.DataFrame(
            [{c: made.get(cell, {}).get(c, np.nan) for c in COSTS} for cell in tables["figures"]["cell"]]
        )
        guided = tables["figures"]["sampled_by"].ne("unguided")
        evaluations = (costs["backbone_evaluations"] + costs["classifier_evaluations"]).where(guided)
        return tables | {"figures": tables["figures"].assign(evaluations=evaluations, **costs)}

    def tell(self, tables: Tables) -> str:
        table = tables["figures"].dropna(subset=["evaluations"])
        measures = (SEVERITY_MEASURE, "minority_score", "precision", "recall", "frechet_distance_equal_n")
        known = [m for m in measures if f"{m}_mean" in table or m in table]
        parts = []
        for name, part in table.groupby("sampled_by", sort=False):
            part = part.sort_values("evaluations")
            dear, cheap = part.iloc[-1], part.iloc[0]
            seconds = ", ".join(f"{row['seconds_an_image']:.3g}" for _, row in part.iterrows())
            cost = ", ".join(f"{row['evaluations']:g}" for _, row in part.iterrows())
            text = f"{name} takes {cost} evaluations and {seconds} s an image"
            if len(part) > 1:
                text += f"; from {dear['evaluations']:g} to {cheap['evaluations']:g}: "
                text += "; ".join(change(dear, cheap, m) for m in known)
            parts.append(f"{text}.")
        return " ".join(parts)

    def _job(self, plan: StudyPlan, name: str, **settings: Any) -> Job:
        own = {"classifier_path": str(plan.classifier_path)}
        return plan.sampling_in(SHARED, name, plan.top, plan.scale, **own | settings)
