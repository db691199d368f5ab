"""D.4: the number of images that need a score."""

import numpy as np

from monai_minority.run.jobs import Job
from monai_minority.studies.cells import Cell, CellStudy, shared_cell
from monai_minority.studies.plan import StudyPlan
from monai_minority.studies.study import Tables
from monai_minority.studies.words import change


class LabelledSamples(CellStudy):
    """Classes and classifiers from part of the training subjects, and samples of the rarest class."""

    title = "How many scored images does the classifier need?"
    source = "Appendix D.4"
    x = "labelled_share"
    x_label = "share of training subjects scored"
    logarithmic = True

    def calls(self, plan: StudyPlan) -> list[Job]:
        calls = [plan.sampling(None, 0.0)]
        for share in plan.labelled_shares:
            if share == 1:  # the run's own classifier
                calls.append(plan.sampling(plan.top))
                continue
            folder = f"labelled_samples/{share:g}"
            calls += plan.classifying(folder, plan.num_classes, share)
            calls.append(plan.sampling_in(folder, "rarest", plan.top, plan.scale))
        return calls

    def cells(self, plan: StudyPlan) -> list[Cell]:
        own = [
            shared_cell(plan, plan.top, plan.scale, labelled_share=share)
            if share == 1
            else ({"labelled_share": share}, f"labelled_samples/{share:g}", "rarest")
            for share in plan.labelled_shares
        ]
        return [shared_cell(plan, None, 0.0, labelled_share=np.nan), *own]

    def tell(self, tables: Tables) -> str:
        table = tables["figures"].dropna(subset=["labelled_share"]).sort_values("labelled_share")
        least, most = table.iloc[0], table.iloc[-1]
        ends = "; ".join(change(most, least, m) for m in ("minority_score", "average_knn", "precision", "recall"))
        return (
            f"Samples of the rarest class ({least['n']} a cell): with {least['labelled_share']:.0%} of the training "
            f"subjects scored in place of {most['labelled_share']:.0%}, {ends}."
        )
