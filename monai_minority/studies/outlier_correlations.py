"""D.2: the minority score compared with established outlier measures."""

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from scipy.stats import rankdata

from monai_minority.evaluation.features import describe_extractor
from monai_minority.evaluation.weighted_statistics import weighted_rank_correlation
from monai_minority.keys import Column
from monai_minority.run.jobs import Job
from monai_minority.studies.agreements import interval_row
from monai_minority.studies.charts import COLOURS, GREY, panels
from monai_minority.studies.plan import StudyPlan
from monai_minority.studies.study import Study, Tables
from monai_minority.studies.study_run import StudyRun
from monai_minority.studies.words import number, sides_of
from monai_minority.tables.images import Pictures, real_table
from monai_minority.tables.measures import DENSITIES, LABELS


class OutlierCorrelations(Study):
    """Rank correlation between the run's scores and AvgkNN and LOF in several feature spaces."""

    title = "Does the score agree with measures of outliers?"
    source = "Appendix D.2"

    def calls(self, plan: StudyPlan) -> list[Job]:
        return []

    def measure(self, run: StudyRun) -> Tables:
        scores = run.real.table[Column.SCORE.value].to_numpy()
        training = run.real.training
        rest = np.setdiff1d(np.arange(len(scores)), training)
        figures, images = [], []
        for extractor in run.spaces:
            features = run.features(run.store, extractor)
            there = real_table(Pictures(run.store, features), replace(run.settings, detectors={})).table
            how = describe_extractor(extractor)
            space = how["extractor"]
            for name in DENSITIES:
                values = there[name].to_numpy()
                images.append(pd.DataFrame({"space": space, "measure": name, "score": scores, "value": values, **how}))
                for scope, rows in (("training images", training), ("images never trained on", rest)):
                    if len(rows) >= 3:
                        statistic = weighted_rank_correlation(scores[rows], values[rows])
                        labels: dict[str, Any] = {"space": space, "measure": name, "images": scope}
                        figures.append(interval_row(run, statistic, run.real.subjects[rows], **labels) | how)
        return {"figures": pd.DataFrame(figures), "images": pd.concat(images, ignore_index=True)}

    def draw(self, tables: Tables, run: StudyRun) -> Figure:
        images, figures = tables["images"], tables["figures"]
        cells = list(images.groupby(["space", "measure"], sort=False))
        figure, axes = panels(len(cells), height=2.3, columns=2)
        for panel, ((space, measure), part) in zip(axes, cells, strict=True):
            # The correlation uses ranks, and so does the chart: a few far outliers would compress all other points.
            x, y = (100 * rankdata(part[column]) / len(part) for column in ("value", "score"))
            panel.hexbin(x, y, gridsize=24, cmap="Blues", mincnt=1, linewidths=0.1)
            bins = np.linspace(0, 100, 11)
            middles = [np.median(y[(x > low) & (x <= high)]) for low, high in zip(bins, bins[1:], strict=False)]
            panel.plot(bins[:-1] + 5, middles, "o-", color=COLOURS[1], markersize=2.5)
            panel.plot([0, 100], [0, 100], color=GREY, linewidth=0.7, linestyle=":")
            found = figures[(figures["space"] == space) & (figures["measure"] == measure)]
            texts = [
                f"{r['images'].removeprefix('images ')}: {number(r['value'], r['low'], r['high'])}"
                for _, r in found.iterrows()
            ]
            panel.set_title(f"{space}\n" + "\n".join(texts), fontsize=6.5, loc="left")
            panel.set_xlabel(f"{LABELS[measure]} (percentile)")
            panel.set_ylabel("minority score (percentile)")
        return figure

    def tell(self, tables: Tables) -> str:
        parts = []
        for _, row in tables["figures"].iterrows():
            unknown = f"may or may not follow (the {row['subjects']} subjects allow no interval)"
            verdict = sides_of(row["low"], row["high"], 0, "rises with", "does not follow", "falls with", unknown)
            parts.append(
                f"On {row['images']} (n = {row['n']}) the score {verdict} {LABELS[row['measure']]} in "
                f"{row['space']}: rank correlation {number(row['value'], row['low'], row['high'])}."
            )
        return " ".join(parts)
