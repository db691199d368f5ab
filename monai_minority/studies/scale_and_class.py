"""Figure 3: the effect of the class and the scale of the guidance."""

import numpy as np

from monai_minority.run.jobs import Job
from monai_minority.studies.cells import Cell, CellStudy, shared_cell, shared_sets
from monai_minority.studies.plan import StudyPlan
from monai_minority.studies.study import Tables
from monai_minority.studies.words import change


class ScaleAndClass(CellStudy):
    """Samples of each chosen class at each chosen scale."""

    title = "What do the class and the scale of the guidance do?"
    source = "Figure 3"
    x = "scale"
    x_label = "guidance scale w"
    by = "target"
    logarithmic = True

    def calls(self, plan: StudyPlan) -> list[Job]:
        return shared_sets(plan, [(None, 0.0), *((c, s) for c in plan.chosen for s in plan.scales)])

    def cells(self, plan: StudyPlan) -> list[Cell]:
        guided = [shared_cell(plan, c, s, target=c, scale=s) for c in plan.chosen for s in plan.scales]
        return [shared_cell(plan, None, 0.0, target=np.nan, scale=np.nan), *guided]

    def tell(self, tables: Tables) -> str:
        table = tables["figures"].dropna(subset=["target"])
        parts = []
        top = table[table["target"] == table["target"].max()].sort_values("scale")
        first, last = top.iloc[0], top.iloc[-1]
        ends = "; ".join(
            change(first, last, m) for m in ("minority_score", "local_outlier_factor", "precision", "recall")
        )
        parts.append(f"At class {first['target']:.0f}, from scale {first['scale']:g} to {last['scale']:g}: {ends}.")
        for scale, part in table.groupby("scale"):
            part = part.sort_values("target")
            ends = "; ".join(change(part.iloc[0], part.iloc[-1], m) for m in ("minority_score", "local_outlier_factor"))
            targets = f"class {part.iloc[0]['target']:.0f} to {part.iloc[-1]['target']:.0f}"
            parts.append(f"At scale {scale:g}, from {targets}: {ends}.")
        return " ".join(parts)
