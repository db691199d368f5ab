"""D.6: the timestep of the score."""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from scipy.stats import skew

from monai_minority.run.jobs import Job
from monai_minority.studies.agreements import agreements
from monai_minority.studies.charts import COLOURS, GREY, error_bars, panels
from monai_minority.studies.plan import StudyPlan
from monai_minority.studies.study import Study, Tables
from monai_minority.studies.study_run import StudyRun
from monai_minority.studies.words import number
from monai_minority.tables.measures import LABELS


class Timestep(Study):
    """Scores at several timesteps: their agreement with other measures, and whether a few images stand out."""

    title = "At which timestep should images be scored?"
    source = "Appendix D.6"

    def calls(self, plan: StudyPlan) -> list[Job]:
        return [call for t in _timesteps(plan) for call in plan.scoring(f"timestep/{t}", timestep=t)]

    def measure(self, run: StudyRun) -> Tables:
        figures = []
        for t in _timesteps(run.plan):
            found = run.scores(f"timestep/{t}")
            scores = found["score"].to_numpy()
            figures += [{"timestep": t, **row} for row in agreements(run, found["row"].to_numpy(), scores)]
            noise = float((found["score_error"] ** 2).mean())
            shape = {"n": len(scores), "low": np.nan, "high": np.nan, "against": ""}
            figures.append({"timestep": t, "figure": "skewness", "value": float(skew(scores)), **shape})
            share = 1 - noise / max(float(scores.var(ddof=1)), 1e-300)
            figures.append({"timestep": t, "figure": "reliability", "value": share, **shape})
        return {"figures": pd.DataFrame(figures).assign(run_timestep=run.plan.timestep)}

    def draw(self, tables: Tables, run: StudyRun) -> Figure:
        figures = tables["figures"]
        wanted = ["rank correlation", "AUC", "skewness", "reliability"]
        shown = [name for name in wanted if name in set(figures["figure"])]
        figure, axes = panels(len(shown))
        for panel, name in zip(axes, shown, strict=True):
            for place, (against, part) in enumerate(figures[figures["figure"] == name].groupby("against", sort=False)):
                label, ends = LABELS.get(against, against) or None, part[["value", "low", "high"]].T
                error_bars(panel, part["timestep"], ends, fmt="o-", color=COLOURS[place], label=label)
            panel.axvline(run.plan.timestep, color=GREY, linestyle="--", linewidth=0.9)
            if name in ("rank correlation", "AUC"):
                panel.axhline(0.5 if name == "AUC" else 0, color="black", linewidth=0.6)
            if name == "rank correlation":
                panel.legend()
            panel.set_xlabel("timestep of the score")
            panel.set_ylabel(f"{name} of the score" if name != "AUC" else "AUC for the rare group")
        return figure

    def tell(self, tables: Tables) -> str:
        figures = tables["figures"]
        chosen = int(figures["run_timestep"].iloc[0])
        parts = []
        for (name, against), part in figures.groupby(["figure", "against"], sort=False):
            best = part.loc[part["value"].idxmax()]
            worst = part.loc[part["value"].idxmin()]
            what = f"{name} with {LABELS.get(against, against)}" if name == "rank correlation" else name
            what = "AUC for the rare group" if name == "AUC" else what
            parts.append(
                f"{what[0].upper() + what[1:]} is highest at timestep {best['timestep']} "
                f"({number(best['value'], best['low'], best['high'])}) and lowest at {worst['timestep']} "
                f"({number(worst['value'], worst['low'], worst['high'])})."
            )
        return " ".join([*parts, f"This run scores at {chosen}."])


def _timesteps(plan: StudyPlan) -> list[int]:
    return sorted({round(share * plan.num_train_timesteps) for share in plan.timesteps})
