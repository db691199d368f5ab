"""D.8: samples of all classes together reproduce the whole distribution."""

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from scipy.stats import ks_2samp

from monai_minority.data.store.image_store import evenly
from monai_minority.evaluation.density import NeighbourIndex
from monai_minority.evaluation.fidelity import kernel_distance
from monai_minority.keys import Column
from monai_minority.run.jobs import Job
from monai_minority.studies.charts import COLOURS, GREY, NAMES, panels
from monai_minority.studies.plan import SHARED, StudyPlan
from monai_minority.studies.study import Study, Tables
from monai_minority.studies.study_run import StudyRun
from monai_minority.studies.words import number
from monai_minority.tables.rows import REAL, share

UNGUIDED, UNIFORM = "unguided", "all classes alike"
SUBSETS = 100


class Distribution(Study):
    """Samples of all classes in equal numbers, compared with the real training images.

    Unguided samples and held-back training images are compared in the same way, in equal numbers. The measures are the
    kernel distance, precision, recall, and the distributions of the score and the densities.
    """

    title = "Do all classes together give the whole distribution back?"
    source = "Appendix D.8"

    def calls(self, plan: StudyPlan) -> list[Job]:
        return [plan.sampling(None, 0.0), *(plan.sampling(c) for c in range(plan.num_classes))]

    def context(self, run: StudyRun) -> dict[str, Any]:
        return run.context | {
            "intervals": f"95 %: shares Wilson's; of the kernel distance 1.96 standard deviations of {SUBSETS} halves",
            "seed": f"0 to {SUBSETS - 1}, one a half",
        }

    def measure(self, run: StudyRun) -> Tables:
        plan = run.plan
        plain = run.samples(SHARED, plan.set_name(None, 0.0))
        guided = {c: run.samples(SHARED, plan.set_name(c, plan.scale)) for c in range(plan.num_classes)}
        # The same number of images from each set, and from each class.
        each = min(len(plain) // plan.num_classes, *(len(images) for images in guided.values()))
        if not each:
            raise ValueError(
                f"study_images must be at least the number of classes, {plan.num_classes}, got {len(plain)}"
            )
        count = each * plan.num_classes
        training = run.real.training
        people = pd.unique(run.real.subjects[training])  # by row: pseudonyms differ from run to run
        apart = np.isin(run.real.subjects[training], people[evenly(len(people), max(1, len(people) // 5))])
        sample = training[apart][evenly(int(apart.sum()), count)]
        reference = training[~apart]
        real = run.features(run.store)
        rows = {UNGUIDED: evenly(len(plain), count)}
        images = {
            UNGUIDED: run.images({UNGUIDED: plain}).iloc[rows[UNGUIDED]],
            UNIFORM: pd.concat([run.images({UNIFORM: one}).iloc[evenly(len(one), each)] for one in guided.values()]),
            REAL: run.real.table.iloc[sample],
        }
        features = {
            UNGUIDED: run.features(plain)[rows[UNGUIDED]],
            UNIFORM: np.concatenate([run.features(one)[evenly(len(one), each)] for one in guided.values()]),
            REAL: real[sample],
        }
        clusters = {name: images[name][Column.SEED].to_numpy() for name in (UNGUIDED, UNIFORM)}
        clusters[REAL] = run.real.subjects[sample]
        k = run.settings.neighbours
        index = NeighbourIndex(real[reference], k=0, ball=k)
        figures = []
        for name, vectors in features.items():
            balls = index.balls(NeighbourIndex(vectors, k=0, ball=min(k, len(vectors) - 1)), k)
            assert balls.reached is not None
            row: dict[str, Any] = {"set": name, "n": len(vectors), "reference_n": len(reference)}
            row["kernel_distance"] = kernel_distance(real[reference], vectors)
            halves = [
                kernel_distance(real[reference], vectors[_half(clusters[name], seed)])
                for seed in range(SUBSETS)
                if len(vectors) >= 4
            ]
            # Halves of the subjects or seeds, drawn without replacement, vary as much as the whole set between
            # repetitions (the jackknife of half-samples).
            spread = 1.96 * float(np.std(halves)) if halves else np.nan
            row |= {
                "kernel_distance_low": row["kernel_distance"] - spread,
                "kernel_distance_high": row["kernel_distance"] + spread,
            }
            for measure, hits in (("precision", balls.count > 0), ("recall", balls.reached)):
                who = clusters[name] if measure == "precision" else run.real.subjects[reference]
                row |= share(measure, hits, who)
            for measure in (Column.SCORE.value, "average_knn", "local_outlier_factor"):
                against = run.real.table[measure].to_numpy()[reference]
                row[f"{measure}_ks"] = float(ks_2samp(images[name][measure], against).statistic)
            figures.append(row)
        kept = [Column.SCORE.value, "average_knn", "local_outlier_factor"]
        values = pd.concat([part[kept].assign(set=name) for name, part in images.items()], ignore_index=True)
        return {"figures": pd.DataFrame(figures), "images": values}

    def draw(self, tables: Tables, run: StudyRun) -> Figure:
        images, figures = tables["images"], tables["figures"]
        measures = [Column.SCORE.value, "average_knn", "local_outlier_factor"]
        figure, axes = panels(4)
        for panel, measure in zip(axes, measures, strict=False):
            for place, name in enumerate((REAL, UNGUIDED, UNIFORM)):
                values = np.sort(images.loc[images["set"] == name, measure].to_numpy())
                share = np.arange(1, len(values) + 1) / len(values)
                colour = GREY if name == REAL else COLOURS[place - 1]
                panel.step(
                    values, share, where="post", color=colour, label=name, linestyle=":" if name == REAL else "-"
                )
            panel.set_xlabel(NAMES[measure])
            panel.set_ylabel("share of images at or below")
        axes[0].legend()
        for place, name in enumerate((REAL, UNGUIDED, UNIFORM)):
            row = figures[figures["set"] == name].iloc[0]
            error = max(0.0, row["kernel_distance_high"] - row["kernel_distance"])
            colour = GREY if name == REAL else COLOURS[place - 1]
            axes[3].errorbar(place, row["kernel_distance"], yerr=error, fmt="o", color=colour, capsize=3)
        axes[3].set_xticks(range(3), ["real", "unguided", "all classes"])
        axes[3].axhline(0, color="black", linewidth=0.6)
        axes[3].set_ylabel("kernel distance to the real images")
        return figure

    def tell(self, tables: Tables) -> str:
        parts = []
        for _, row in tables["figures"].iterrows():
            texts = [
                f"{name} {number(row[m], row[f'{m}_low'], row[f'{m}_high'])}"
                for m, name in (
                    ("kernel_distance", "kernel distance"),
                    ("precision", "precision"),
                    ("recall", "recall"),
                )
            ]
            parts.append(
                f"{row['set']} (n = {row['n']}): {', '.join(texts)}; largest gap to the real distribution of scores "
                f"{row['minority_score_ks']:.2f}, of AvgkNN {row['average_knn_ks']:.2f} (Kolmogorov and Smirnov)"
            )
        text = ". ".join(part[0].upper() + part[1:] for part in parts)
        return f"Against {tables['figures']['reference_n'].iloc[0]} real training images: {text}."


def _half(clusters: np.ndarray, seed: int) -> np.ndarray:
    """Rows of half of the clusters, drawn without replacement; half of the rows if there are fewer than 4 clusters."""
    codes, names = pd.factorize(clusters)
    rng = np.random.default_rng(seed)
    if len(names) < 4:
        return rng.choice(len(codes), len(codes) // 2, replace=False)
    return np.flatnonzero(np.isin(codes, rng.choice(len(names), len(names) // 2, replace=False)))
