"""D.5: guidance to the mixed density, without choosing a class."""

from pathlib import Path

import numpy as np

from monai_minority.scoring import QuantileClasses
from monai_minority.studies.cells import Cell, CellStudy, shared_cell, shared_sets
from monai_minority.studies.plan import SHARED, StageCall, StudyPlan
from monai_minority.studies.study import Tables
from monai_minority.studies.words import change


class MixedDensity(CellStudy):
    """Eq. 18 at several scales, beside guidance to the rarest class at the same and unguided samples."""

    title = "Can images be made rarer without choosing a class?"
    source = "Appendix D.5"
    x = "scale"
    x_label = "guidance scale w"
    by = "chosen_class"
    logarithmic = True

    def calls(self, plan: StudyPlan) -> list[StageCall]:
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

    def _mixed(self, plan: StudyPlan, scale: float) -> StageCall:
        guidance = {
            "_target_": "monai_minority.guidance.MixedDensityGuidance",
            "classifier": "@classifier",
            "thresholds": {
                "_target_": f"{class_weights.__module__}.{class_weights.__qualname__}",
                "path": str(plan.run_dir / "classes.json"),
            },
            "scale": "@guidance_scale",
        }
        settings = {
            "classifier": "$load_checkpoint(@classifier_def, @classifier_path).to(@device).eval()",
            "classifier_path": str(plan.classifier_path),
            "guidance": guidance,
            "settings::method": "mixed density guidance",
            "settings::scale": float(scale),
        }
        return plan.sampling_in(SHARED, f"mixed_scale{scale:g}", None, scale, **settings)


def class_weights(path: str | Path) -> list:
    """Score thresholds of a run's classes as the weights of Eq. 18, none below 0.

    Args:
        path: ``classes.json``, see :meth:`~monai_minority.scoring.QuantileClasses.save`.

    Returns:
        ``[L]``; where the classes were cut within class labels ``[G, L]``, a row a label in their order.

    Raises:
        ValueError: the file holds no classes.
    """
    found = QuantileClasses.load(path).thresholds
    if isinstance(found, dict):
        return [found[label].clip(0).tolist() for label in sorted(found)]  # type: ignore[type-var]
    return found.clip(0).tolist()
