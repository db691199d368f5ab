"""The last step of a study, which writes its tables, figure and paragraph."""

import json

import matplotlib

from monai_minority.files import whole_file, write_csv
from monai_minority.studies.charts import STYLE
from monai_minority.studies.study import Study
from monai_minority.studies.study_run import StudyRun
from monai_minority.tables.provenance import DENSITY, PROVENANCE, with_provenance

DPI = 200


def run_study(name: str, study: Study, run: StudyRun) -> None:
    """Measure a study whose stages have run, and write its results to ``studies/`` of the run folder.

    ``<name>.csv`` has the numbers, and ``<name>_<table>.csv`` the further data of the figure; the last columns of both
    record how they were measured. ``<name>.pdf`` and ``<name>.png`` are the figure. ``<name>.json`` has the title, the
    source and the paragraph, and is written last.

    Args:
        name: name of the study.
        study: study to measure.
        run: run to measure it in.
    """
    folder = run.plan.folder
    tables, context = study.measure(run), study.context(run)
    for part, table in tables.items():
        shown = with_provenance(table, context, DENSITY if part == "images" else PROVENANCE)
        write_csv(shown, folder / (f"{name}.csv" if part == "figures" else f"{name}_{part}.csv"))
    with matplotlib.rc_context(STYLE):
        figure = study.draw(tables, run)
        for ending in ("pdf", "png"):
            with whole_file(folder / f"{name}.{ending}") as partial:
                figure.savefig(partial, dpi=DPI, bbox_inches="tight")
    told = {"study": name, "title": study.title, "source": study.source, "paragraph": study.tell(tables)}
    with whole_file(folder / f"{name}.json") as partial:
        partial.write_text(json.dumps(told, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    print(f"{study.title} ({study.source})\n{told['paragraph']}\n{folder / name}.pdf")
