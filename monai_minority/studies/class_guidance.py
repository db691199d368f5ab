"""D.9: guidance to class labels together with minority guidance."""

from typing import Any

import numpy as np
import pandas as pd
from sklearn.neighbors import KNeighborsClassifier

from monai_minority.keys import Column
from monai_minority.run.jobs import Job
from monai_minority.studies.cells import Cell, CellStudy
from monai_minority.studies.plan import StudyPlan
from monai_minority.studies.study import Tables
from monai_minority.studies.study_run import StudyRun
from monai_minority.studies.words import change
from monai_minority.tables.rows import share

FOLDER = "class_guidance"
VOTES = 20

LABEL_CLASSIFIER = "$load_checkpoint(@label_classifier_def, @label_classifier_path).to(@device).eval()"


class ClassGuidance(CellStudy):
    """Guidance to the groups of the data set at several scales, with and without minority guidance to the rarest class.

    The study trains a classifier of the groups. That classifier does not decide whether a sample belongs to its target
    group. The nearest training images in feature space vote on it, and each group has the same weight.
    """

    title = "Can rarity and the class label be guided at once?"
    source = "Appendix D.9"
    x = "label_scale"
    x_label = "scale of the class guidance"
    by = "minority_scale"
    also = ("label_accuracy",)

    def calls(self, plan: StudyPlan) -> list[Job]:
        if plan.class_labels < 2:
            raise ValueError(
                "class_guidance needs at least two groups in the store (column group or class_label), got "
                f"{plan.class_labels}"
            )
        definition = {
            "_target_": "monai_minority.networks.BackboneClassifier",
            "backbone": "@backbone",
            "out_channels": plan.class_labels,
        }
        calls = plan.label_classifying(FOLDER, definition)
        for label_scale, minority_scale in _grid(plan):
            settings: dict[str, Any] = {
                "label_classifier_def": definition,
                "label_classifier": LABEL_CLASSIFIER,
                "label_guidance_scale": float(label_scale),
                "num_class_labels": plan.class_labels,
                "sample_labels": list(range(plan.class_labels)),
                "classifier_path": str(plan.classifier_path),
            }
            target = plan.top if minority_scale else None
            name = _name(label_scale, minority_scale)
            calls.append(plan.sampling_in(FOLDER, name, target, minority_scale, **settings))
        return calls

    def cells(self, plan: StudyPlan) -> list[Cell]:
        return [
            ({"label_scale": label, "minority_scale": minority}, FOLDER, _name(label, minority))
            for label, minority in _grid(plan)
        ]

    def measure(self, run: StudyRun) -> Tables:
        tables = super().measure(run)
        groups = pd.factorize(_labels(run), sort=True)[0]
        training = run.real.training
        # Votes are divided by the groups' shares, because the largest group would otherwise win everywhere.
        voters = KNeighborsClassifier(min(VOTES, len(training)), weights="uniform")
        features = run.features(run.store)[training]
        voters.fit(features, groups[training])
        prior = np.bincount(groups[training], minlength=groups.max() + 1) / len(training)
        rows = []
        for columns, folder, name in self.cells(run.plan):
            images = run.samples(folder, name)
            wanted = images.table[Column.CLASS_LABEL].to_numpy()
            votes = np.zeros((len(images), len(prior)))
            votes[:, voters.classes_] = voters.predict_proba(run.features(images))
            hits = (votes / np.maximum(prior, 1e-9)).argmax(axis=1) == wanted
            rows.append(columns | share("label_accuracy", hits, images.table[Column.SEED].to_numpy()))
        merged = tables["figures"].merge(pd.DataFrame(rows), on=["label_scale", "minority_scale"], how="left")
        return tables | {"figures": merged}

    def tell(self, tables: Tables) -> str:
        table = tables["figures"].dropna(subset=["label_scale"])
        parts = []
        for scale, part in table.groupby("minority_scale"):
            part = part.sort_values("label_scale")
            first, last = part.iloc[0], part.iloc[-1]
            ends = "; ".join(change(first, last, m) for m in ("label_accuracy", "minority_score", "average_knn"))
            which = "Without minority guidance" if not scale else f"With minority guidance at scale {scale:g}"
            parts.append(f"{which}, from class scale {first['label_scale']:g} to {last['label_scale']:g}: {ends}.")
        return " ".join(parts)


def _grid(plan: StudyPlan) -> list[tuple[float, float]]:
    # Samples at label scale 0 have no target group, so the smallest scale is above 0.
    return [
        (float(label), float(minority)) for minority in (0.0, plan.scale) for label in plan.label_scales if label > 0
    ]


def _name(label_scale: float, minority_scale: float) -> str:
    return f"label{label_scale:g}_minority{minority_scale:g}"


def _labels(run: StudyRun) -> np.ndarray:
    table = run.store.table
    column = Column.CLASS_LABEL if Column.CLASS_LABEL in table else Column.GROUP
    return table[column].to_numpy() if column is Column.CLASS_LABEL else table[column].astype(str).to_numpy()
