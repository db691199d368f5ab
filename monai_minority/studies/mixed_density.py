"""D.5: guidance to the mixed density, without choosing a class."""

from dataclasses import replace

import numpy as np

from monai_minority.run.jobs import Job
from monai_minority.studies.cells import Cell, CellStudy, shared_cell, shared_sets
from monai_minority.studies.plan import SHARED, StudyPlan
from monai_minority.studies.study import Tables
from monai_minority.studies.words import change


class MixedDensity(CellStudy):
    """Eq. 18 at several scales, compared with guidance to the rarest class at the same scales and unguided samples."""

    title = "Can images be made rarer without choosing a class?"
    source = "Appendix D.5"
    x = "scale"
    x_label = "guidance scale w"
    by = "chosen_class"
    logarithmic = True

    def calls(self, plan: StudyPlan) -> list[Job]:
        fixed = shared_sets(plan, [(None, 0.0), *((plan.top, s) for s in plan.scales)])
        return [*fixed, *(self._mixed(plan, s) for s in plan.scales)]

    def cells(self, plan: StudyPlan) -> list[Cell]:
        return [
            shared_cell(plan, None, 0.0, method="unguided", scale=np.nan, chosen_class=np.nan),
            *(
                ({"method": "mixed density", "scale": s, "chosen_class": -1}, SHARED, f"mixed_scale{s:g}")
                for s in plan.scales
            ),
            *(
                shared_cell(plan, plan.top, s, method="rarest class", scale=s, chosen_class=plan.top)
                for s in plan.scales
            ),
        ]

    def tell(self, tables: Tables) -> str:
        table = tables["figures"]
        plain = table[table["method"] == "unguided"].iloc[0]
        parts = []
        for scale, part in table.dropna(subset=["scale"]).groupby("scale"):
            rows = part.set_index("method")
            mixed, top = rows.loc["mixed density"], rows.loc["rarest class"]
            measures = ("minority_score", "average_knn")
            parts.append(
                f"At scale {scale:g}, from unguided to mixed density: "
                + "; ".join(change(plain, mixed, m) for m in measures)
                + ". From mixed density to the rarest class: "
                + "; ".join(change(mixed, top, m) for m in measures)
                + "."
            )
        return " ".join(parts)

    def _mixed(self, plan: StudyPlan, scale: float) -> Job:
        own = {"classifier_path": str(plan.classifier_path), "classes_path": str(plan.run_dir / "classes.json")}
        job = plan.sampling_in(SHARED, f"mixed_scale{scale:g}", None, scale, guided=True, **own)
        return replace(job, overlays=("mixed_density",))
