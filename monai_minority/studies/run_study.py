"""The last step of a study: its tables, its figure and its paragraph."""

import json

import matplotlib

from monai_minority.files import whole_file
from monai_minority.studies.charts import STYLE
from monai_minority.studies.study import Study
from monai_minority.studies.study_run import StudyRun
from monai_minority.tables.provenance import DENSITY, PROVENANCE, with_provenance

DPI = 200


def run_study(name: str, study: Study, run: StudyRun) -> None:
    """Measure a study whose stages have run, and write what it found to ``studies/`` of the run folder.

    ``<name>.csv`` are its numbers, ``<name>_<table>.csv`` what else its figure is drawn from, each
    with how it was measured in its last columns, ``<name>.pdf`` and
    ``<name>.png`` the figure, and ``<name>.json``, written last, its title, source and paragraph.

    Args:
        name: of the study.
        study: what to measure.
        run: what to measure with.
    """
    folder = run.plan.folder
    tables, context = study.measure(run), study.context(run)
    for part, table in tables.items():
        with whole_file(folder / (f"{name}.csv" if part == "figures" else f"{name}_{part}.csv")) as partial:
            columns = DENSITY if part == "images" else PROVENANCE
            with_provenance(table, context, columns).to_csv(partial, index=False)
    with matplotlib.rc_context(STYLE):
        figure = study.draw(tables, run)
        for ending in ("pdf", "png"):
            with whole_file(folder / f"{name}.{ending}") as partial:
                figure.savefig(partial, dpi=DPI, bbox_inches="tight")
    told = {"study": name, "title": study.title, "source": study.source, "paragraph": study.tell(tables)}
    with whole_file(folder / f"{name}.json") as partial:
        partial.write_text(json.dumps(told, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    print(f"{study.title} ({study.source})\n{told['paragraph']}\n{folder / name}.pdf")
