"""Tables 1, 7 and 8: minority guidance beside other methods."""

from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure

from monai_minority.studies.charts import COLOURS, panels
from monai_minority.studies.plan import StageCall, StudyPlan
from monai_minority.studies.study import Study, Tables
from monai_minority.studies.study_run import StudyRun

TABLE = "comparison/methods.csv"


class Baselines(Study):
    """Shows what ``monai-minority compare`` has measured in this run; it runs nothing itself."""

    title = "Is it better than other methods?"
    source = "Tables 1, 7 and 8"

    def calls(self, plan: StudyPlan) -> list[StageCall]:
        return []

    def reads(self, plan: StudyPlan) -> list[Path]:
        return [plan.run_dir / TABLE]

    def measure(self, run: StudyRun) -> Tables:
        path = run.plan.run_dir / TABLE
        if not path.is_file():
            raise FileNotFoundError(f"{path} is missing; run `monai-minority compare` first, which writes it")
        return {"figures": pd.read_csv(path)}

    def draw(self, tables: Tables, run: StudyRun) -> Figure:
        table = tables["figures"]
        names = table.iloc[:, 0].astype(str)
        columns = [c for c in table.select_dtypes("number") if not c.endswith(("_low", "_high"))][:8]
        figure, axes = panels(max(1, len(columns)))
        for panel, column in zip(axes, columns, strict=False):
            panel.barh(range(len(names)), table[column], color=COLOURS[0])
            panel.set_yticks(range(len(names)), names if panel is axes[0] else [""] * len(names))
            panel.invert_yaxis()
            panel.set_xlabel(column.replace("_", " "))
        return figure

    def tell(self, tables: Tables) -> str:
        return f"{len(tables['figures'])} rows of methods, as measured by the comparison; see {TABLE}."
