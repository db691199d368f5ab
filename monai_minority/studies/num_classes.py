"""D.3: the number of minority classes."""

import numpy as np

from monai_minority.run.jobs import Job
from monai_minority.studies.cells import Cell, CellStudy, shared_cell
from monai_minority.studies.plan import StudyPlan
from monai_minority.studies.study import Tables
from monai_minority.studies.words import change, figure_of


class NumClasses(CellStudy):
    """The same scores cut into different numbers of classes, with a classifier and samples of the rarest class each."""

    title = "How many classes should the scores be cut into?"
    source = "Appendix D.3"
    x = "classes"
    x_label = "number of classes L"
    logarithmic = True

    def calls(self, plan: StudyPlan) -> list[Job]:
        calls = [plan.sampling(None, 0.0)]
        for count in plan.class_counts:
            if count == plan.num_classes:  # the run's own classifier
                calls.append(plan.sampling(plan.top))
                continue
            calls += plan.classifying(f"num_classes/{count}", count)
            calls.append(
                plan.sampling_in(f"num_classes/{count}", "rarest", count - 1, plan.scale, num_classes=int(count))
            )
        return calls

    def cells(self, plan: StudyPlan) -> list[Cell]:
        own = []
        for count in plan.class_counts:
            columns = {"classes": count, "images_a_class": plan.train_images / count}
            alike = count == plan.num_classes
            own.append(
                shared_cell(plan, plan.top, plan.scale, **columns)
                if alike
                else (columns, f"num_classes/{count}", "rarest")
            )
        return [shared_cell(plan, None, 0.0, classes=np.nan, images_a_class=np.nan), *own]

    def tell(self, tables: Tables) -> str:
        table = tables["figures"].dropna(subset=["classes"]).sort_values("classes")
        first, last = table.iloc[0], table.iloc[-1]
        ends = "; ".join(change(first, last, m) for m in ("minority_score", "average_knn", "precision", "recall"))
        each = "; ".join(f"L = {r['classes']:.0f}: {figure_of(r, 'average_knn')}" for _, r in table.iterrows())
        return (
            f"Samples of the rarest class: from L = {first['classes']:.0f} ({first['images_a_class']:.0f} training "
            f"images a class) to L = {last['classes']:.0f} ({last['images_a_class']:.0f}), {ends}. AvgkNN by L: {each}."
        )
