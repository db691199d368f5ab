"""D.1: the distance of the score."""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from monai_minority.evaluation.weighted_statistics import weighted_mean, weighted_rank_correlation
from monai_minority.run.jobs import Job
from monai_minority.studies.agreements import agreements, interval_row
from monai_minority.studies.charts import COLOURS, error_bars, panels
from monai_minority.studies.plan import StudyPlan
from monai_minority.studies.study import Study, Tables
from monai_minority.studies.study_run import StudyRun
from monai_minority.studies.words import number, sides_of
from monai_minority.tables.measures import DENSITIES, LABELS

EXTREME = 0.1
"""Share of the images that count as most unusual, and as least unusual."""


class Distances(Study):
    """Scores with several distances: their agreement with other measures, and whether they follow mere brightness."""

    title = "Which distance should the score use?"
    source = "Appendix D.1"

    def calls(self, plan: StudyPlan) -> list[Job]:
        return [
            call
            for name, config in plan.distances.items()
            for call in plan.scoring(f"distance/{name}", distance=config)
        ]

    def measure(self, run: StudyRun) -> Tables:
        found = {name: run.scores(f"distance/{name}") for name in run.plan.distances}
        rows = next(iter(found.values()))["row"].to_numpy()
        images = pd.DataFrame({"row": rows, **{name: table["score"].to_numpy() for name, table in found.items()}})
        batches = np.split(rows, range(run.settings.batch_size, len(rows), run.settings.batch_size))
        images["brightness"] = np.concatenate([run.store.batch(part).mean((1, 2, 3)).numpy() for part in batches])
        who = run.real.subjects[rows]
        figures = []
        for name in found:
            scores = images[name].to_numpy()
            figures += [row | {"distance": name} for row in agreements(run, rows, scores)]
            brightness = images["brightness"].to_numpy()
            statistic = weighted_rank_correlation(scores, brightness)
            figures.append(
                interval_row(run, statistic, who, figure="rank correlation", against="brightness", distance=name)
            )
            order = np.argsort(scores, kind="stable")
            count = max(1, round(EXTREME * len(order)))
            for label, chosen in (("least unusual", order[:count]), ("most unusual", order[::-1][:count])):
                values = brightness[chosen]
                statistic = weighted_mean(values)
                figures.append(
                    interval_row(run, statistic, who[chosen], figure="mean brightness", against=label, distance=name)
                )
        return {"figures": pd.DataFrame(figures), "images": images}

    def draw(self, tables: Tables, run: StudyRun) -> Figure:
        figures, names = tables["figures"], list(run.plan.distances)
        figure, (left, right) = panels(2, height=2.6, columns=2)
        ranks = figures[figures["figure"] == "rank correlation"]
        against = list(ranks["against"].unique())
        for place, name in enumerate(names):
            part = ranks[ranks["distance"] == name].set_index("against").loc[against]
            x = np.arange(len(against)) + 0.12 * (place - (len(names) - 1) / 2)
            error_bars(left, x, part[["value", "low", "high"]].T, fmt="o", color=COLOURS[place], label=name)
        left.axhline(0, color="black", linewidth=0.6)
        left.set_xticks(range(len(against)), [LABELS.get(a, a) for a in against])
        left.set_ylabel("Spearman's rank correlation of the score")
        bright = figures[figures["figure"] == "mean brightness"]
        for place, name in enumerate(names):
            part = bright[bright["distance"] == name].set_index("against").loc[["least unusual", "most unusual"]]
            x = np.arange(2) + 0.08 * (place - (len(names) - 1) / 2)
            error_bars(right, x, part[["value", "low", "high"]].T, fmt="o-", color=COLOURS[place], label=name)
        right.set_xticks(range(2), [f"{EXTREME:.0%} {end}" for end in ("least unusual", "most unusual")])
        right.set_xlim(-0.4, 1.4)
        right.set_ylabel("mean brightness, in [-1, 1]")
        left.legend()
        return figure

    def tell(self, tables: Tables) -> str:
        figures = tables["figures"]
        parts = []
        for name in figures["distance"].unique():
            part = figures[figures["distance"] == name]
            ranks = part[part["figure"] == "rank correlation"].set_index("against")
            bright = part[part["figure"] == "mean brightness"].set_index("against")
            row = ranks.loc["brightness"]
            verdict = sides_of(
                row["low"],
                row["high"],
                0,
                "rises with brightness",
                "does not follow brightness",
                "falls with brightness",
                f"may or may not follow brightness, as {row['subjects']:.0f} subjects allow no interval",
            )
            density = ", ".join(f"{_of(ranks, a)} with {LABELS[a]}" for a in DENSITIES if a in ranks.index)
            text = f"The {name} score has rank correlations {density}; it {verdict} ({_of(ranks, 'brightness')}): mean "
            text += f"brightness {_of(bright, 'most unusual')} of the most unusual tenth and "
            text += f"{_of(bright, 'least unusual')} of the least"
            areas = part[part["figure"] == "AUC"]
            if len(areas):
                text += f"; AUC for the rare group {number(*areas.iloc[0][['value', 'low', 'high']])}"
            parts.append(text + ".")
        return " ".join(parts)


def _of(table: pd.DataFrame, key: str) -> str:
    return number(*table.loc[key, ["value", "low", "high"]])
