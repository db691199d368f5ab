"""``monai-minority``: a thin front over the bundles."""

import os

# OpenMP's default makes waiting threads spin, which slows every other process on the cores; set before torch starts.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")

import shlex
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from monai_minority.process import STOPPED, catch_sigterm, stop_status
from monai_minority.terminal import clear_errors, say

if TYPE_CHECKING:
    from monai_minority.run.jobs import Planner

EPILOG = (
    "Exit status: 0 all went well; 1 an error, told in one line; 2 a wrong option; 3 the run is complete, but files "
    "were rejected (cohort.csv in the run folder says which and why); 4 another process writes into the run folder; "
    "130 stopped by Ctrl-C; 143 by SIGTERM."
)

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    epilog=EPILOG,
    context_settings={"help_option_names": ["-h", "--help"]},
)

BundleOption = Annotated[str, typer.Option(help="Name or folder of the bundle.")]
OverlayOption = Annotated[
    list[str] | None, typer.Option(help="Overlay of the bundle (a name) or a YAML file, merged in this order.")
]
DatasetOption = Annotated[Path | None, typer.Option(help="Folder, CSV or MONAI data list of volumes.")]
ValuesArgument = Annotated[
    list[str] | None, typer.Argument(help="KEY=VALUE overrides of any value, such as image_size=128.")
]
DebugOption = Annotated[bool, typer.Option(help="Show the traceback of an error, and MONAI's own log lines.")]

REJECTED_STATUS = 3
"""Exit status of a run that is complete but left bad files out."""


def _show_version(asked: bool) -> None:
    if asked:
        from monai_minority.version import __version__

        say(f"monai-minority {__version__}")
        raise typer.Exit


@app.callback()
def _commands(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and leave.")
    ] = False,
) -> None:
    """Find, score and generate the rare images of a data set.

    Begin with `demo`; with volumes of your own, `plan --dataset-dir FOLDER --run-dir FOLDER`.
    """


@app.command()
def run(
    values: ValuesArgument = None,
    bundle: BundleOption = "brain_mri",
    overlay: OverlayOption = None,
    run_dir: Annotated[Path | None, typer.Option(help="Folder for everything the run leaves.")] = None,
    dataset_dir: DatasetOption = None,
    stage: Annotated[list[str] | None, typer.Option(help="Run this stage alone; can be given several times.")] = None,
    no_expressions: Annotated[
        bool, typer.Option("--no-expressions", help="Refuse overlays that could run programs; see SECURITY.md.")
    ] = False,
    check: Annotated[
        bool, typer.Option("--check", help="Only say what the data holds and whether it suffices; reads no pixels.")
    ] = False,
    debug: DebugOption = False,
) -> None:
    """Run the stages of a bundle in order. What has not changed since the last run is not run again."""
    with clear_errors(debug):
        from monai_minority.run.jobs import pipeline_jobs  # here: it takes seconds, and --help should not
        from monai_minority.sufficiency import after_prepare, check_data

        given = _given(values, dataset_dir)
        planner = _planner(bundle, overlay, run_dir, given, refuse=no_expressions)
        jobs = pipeline_jobs(planner, stage or [])
        if check:
            lines, status = check_data(planner, REJECTED_STATUS)
            _say_all(lines)
        else:
            planner.run(jobs, say, not stage, lambda job: _say_all(after_prepare(planner, job, jobs)))
            measured = any(job.stage in ("evaluate", "report") for job in jobs)
            status = _closing(Path(planner.setting("run_dir")).absolute(), measured)
    raise typer.Exit(status)


@app.command()
def demo(
    values: ValuesArgument = None,
    run_dir: Annotated[
        Path | None, typer.Option(help="Folder for everything it leaves; runs/demo if not given.")
    ] = None,
    debug: DebugOption = False,
) -> None:
    """See it at once: guide the backbone that ships from common to rare, in a minute or two, and write a report.

    The images are synthetic, of a cohort made from a public template. It is `run --overlay phantom --overlay demo`.
    """
    run(values, overlay=["phantom", "demo"], run_dir=run_dir, debug=debug)


@app.command()
def plan(
    values: ValuesArgument = None,
    bundle: BundleOption = "brain_mri",
    overlay: OverlayOption = None,
    run_dir: Annotated[Path | None, typer.Option(help="Folder of the run, which plan.yaml is written to.")] = None,
    dataset_dir: DatasetOption = None,
    debug: DebugOption = False,
) -> None:
    """Prepare a cohort, say what it holds, and propose settings for it: an overlay to edit, and the time they take."""
    with clear_errors(debug):
        from monai_minority.run.folder import RunFolder
        from monai_minority.run.jobs import pipeline_jobs
        from monai_minority.run.proposal import propose

        given = _given(values, dataset_dir)
        planner = _planner(bundle, overlay, run_dir, given, "train")
        planner.run(pipeline_jobs(planner, planner.setting("cohort_stages")), say)
        proposal = propose(RunFolder(planner.setting("run_dir")), planner.network)
        path = Path(planner.setting("run_dir")) / "plan.yaml"
        path.write_text(proposal.overlay(), encoding="utf-8")
        _say_all(["", *proposal.told(), f"\nProposed settings: {path}; edit them, and run them:"])
        command = ["monai-minority", "run", "--bundle", bundle, "--run-dir", str(path.parent)]
        for name in (*(overlay or []), str(path)):
            command += ["--overlay", name]
        say("  " + shlex.join(command + (["--dataset-dir", given["dataset_dir"]] if "dataset_dir" in given else [])))


@app.command()
def study(
    names: Annotated[list[str], typer.Argument(help="Names of studies, or all; and KEY=VALUE overrides.")],
    bundle: BundleOption = "brain_mri",
    overlay: OverlayOption = None,
    run_dir: Annotated[Path | None, typer.Option(help="Folder of a run with its scores and classifier.")] = None,
    plan: Annotated[bool, typer.Option(help="Only say which stages would run, and what they cost.")] = False,
    debug: DebugOption = False,
) -> None:
    """Repeat studies of the paper on a run: stages with their overrides, then tables, a figure and a paragraph each."""
    with clear_errors(debug):
        from monai_minority.run.jobs import Job
        from monai_minority.studies.jobs import once, study_jobs, told

        given = _given([name for name in names if "=" in name])
        planner = _planner(bundle, overlay, run_dir, given, "study")
        found, left_out = study_jobs(planner, [name for name in names if "=" not in name])
        if plan:
            for line in told(found):
                say(line)
            return
        folder = Path(planner.setting("run_dir"))
        # Of an evaluation that is whole: one of an earlier version lacks what the report shows.
        reported = all((folder / "evaluation" / name).is_file() for name in ("context.json", "unusual_images.csv"))
        planner.run([*once(found), *([Job("report", "report")] if reported else [])], say, every_stage=False)
        for name, reason in left_out.items():
            say(f"{name} was left out: {reason}")


@app.command()
def compare(
    values: ValuesArgument = None,
    method: Annotated[
        list[str] | None, typer.Option(help="Compare this method of configs/compare.yaml; can be given several times.")
    ] = None,
    bundle: BundleOption = "brain_mri",
    overlay: OverlayOption = None,
    run_dir: Annotated[Path | None, typer.Option(help="Run folder, after `run` up to the classifier.")] = None,
    debug: DebugOption = False,
) -> None:
    """Sample by several methods with one backbone, equal seeds and steps, and write them into one table.

    The table is comparison/methods.csv in the run folder. What has not changed since the last call is not run again.
    """
    with clear_errors(debug):
        from monai_minority.run.jobs import Job, check_samples, method_jobs

        planner = _planner(bundle, overlay, run_dir, _given(values), "compare")
        jobs, left_out = method_jobs(planner, method or [])
        folder = Path(planner.setting("run_dir"))
        check_samples(planner.setting("methods"), jobs[-1].identity["chosen_methods"], folder)
        if (folder / "evaluation" / "unusual_images.csv").is_file():
            jobs.append(Job("report", "report"))
        for name, need in left_out.items():
            say(f"{name} is left out: it needs {need}, which is null")
        planner.run(jobs, say, every_stage=False)
        _show_methods(folder)


@app.command()
def inspect(
    folder: Annotated[Path, typer.Argument(help="Folder, table or data list, as for --dataset-dir.")],
    values: Annotated[
        list[str] | None, typer.Argument(help="KEY=VALUE as in dataset_options, such as plane=axial or modality=t1.")
    ] = None,
    names: Annotated[bool, typer.Option(help="Also show patient IDs and paths. They identify.")] = False,
    debug: DebugOption = False,
) -> None:
    """Show what a folder, a table or a data list holds, what would be used, and why the rest would not; of DICOM each
    series."""
    with clear_errors(debug):
        from monai_minority.lists import data_told  # here: it takes seconds, and --help should not

        options = {key: None if value == "$None" else value for key, value in _given(values).items()}
        _say_all(data_told(folder, options, names))


@app.command()
def accept(
    files: Annotated[list[Path], typer.Argument(help="Files of a run folder that were edited on purpose.")],
    debug: DebugOption = False,
) -> None:
    """Take edited files of a run as they are, such as a corrected split or group in store/table.csv.

    What depends on them is made anew by the next run. The rows of a store's table must keep their order.
    """
    with clear_errors(debug):
        from monai_minority.run.edits import accept_edit  # here: it takes seconds, and --help should not

        for file in files:
            say(accept_edit(file))


@app.command()
def weights(
    names: Annotated[
        list[str] | None, typer.Argument(help="Files that must be there, by name; all are listed.")
    ] = None,
    source: Annotated[Path | None, typer.Option(help="Copy files from this folder.")] = None,
    destination: Annotated[Path | None, typer.Option(help="Copy files to this folder.")] = None,
    debug: DebugOption = False,
) -> None:
    """List the published weights that feature spaces and distances need, check them, and copy them where told.

    Nothing is downloaded. For a machine without internet, fetch the listed files on another one and carry them over:
    --source alone copies them to where they are looked for, --destination alone from there to, say, a USB stick.
    The status is 1 if a file is damaged, or one of those named is missing.
    """
    with clear_errors(debug):
        from monai_minority.lists import weights_told

        lines, status = weights_told(names or [], source, destination)
        _say_all(lines)
    raise typer.Exit(status)


@app.command()
def settings(
    name: Annotated[str | None, typer.Argument(help="One setting, or a part of its name.")] = None,
    bundle: BundleOption = "brain_mri",
    debug: DebugOption = False,
) -> None:
    """List the settings of a bundle with their values and meaning."""
    with clear_errors(debug):
        from monai_minority.lists import settings_told

        _say_all(settings_told(bundle, name))


@app.command()
def stages(bundle: BundleOption = "brain_mri", debug: DebugOption = False) -> None:
    """List the stages of a bundle."""
    with clear_errors(debug):
        from monai_minority.lists import stages_told

        _say_all(stages_told(bundle))


@app.command()
def overlays(bundle: BundleOption = "brain_mri", debug: DebugOption = False) -> None:
    """List the overlays of a bundle: settings for cohorts, methods and sizes."""
    with clear_errors(debug):
        from monai_minority.lists import overlays_told

        _say_all(overlays_told(bundle))


@app.command()
def methods(bundle: BundleOption = "brain_mri", debug: DebugOption = False) -> None:
    """List the methods that `compare` knows, with the settings that each changes."""
    with clear_errors(debug):
        from monai_minority.lists import methods_told

        _say_all(methods_told(bundle))


def _say_all(lines: Iterable[str]) -> None:
    for line in lines:
        say(line)


def _given(values: list[str] | None, dataset_dir: Path | None = None) -> dict[str, Any]:
    from monai_minority.run.overrides import parse

    where = {} if dataset_dir is None else {"dataset_dir": str(dataset_dir.resolve())}
    return dict(map(parse, values or [])) | where


def _planner(
    bundle: str,
    overlays: list[str] | None,
    run_dir: Path | None,
    given: dict[str, Any],
    *stages: str,
    refuse: bool = False,
) -> "Planner":
    from monai_minority.run.bundle import Bundle
    from monai_minority.run.jobs import Planner

    if run_dir is not None:
        given["run_dir"] = str(run_dir.resolve())
    found = Bundle(bundle)
    if refuse:
        from monai_minority.run.expressions import refuse_programs

        refuse_programs(found, overlays or [])
    return Planner(found, overlays or [], given, stages)


def _show_methods(folder: Path) -> None:
    from monai_minority.files import read_csv

    table = read_csv(folder / "comparison" / "methods.csv")
    shown = ["method", "n", "frechet_distance", "precision", "recall", "average_knn_mean", "minority_score_mean"]
    say("\n" + table[[*shown, "seconds_an_image"]].to_string(index=False, float_format="{:.4g}".format, na_rep="-"))
    say(f"\nMethods:     {folder / 'comparison' / 'methods.csv'}")


def _closing(folder: Path, measured: bool) -> int:
    """Say where things are and what was found, if that is of now; the exit status says whether files were rejected."""
    if measured and (folder / "evaluation" / "summary.csv").is_file():
        from monai_minority.reports import findings

        say("")
        for line in findings(folder):
            say(line)
    if measured and (folder / "report.html").is_file():
        say(f"\nReport:      {folder / 'report.html'}")
    if (folder / "tensorboard").is_dir():
        say(f"TensorBoard: tensorboard --logdir {shlex.quote(str(folder / 'tensorboard'))}")
    rejected = folder / "rejected.csv"
    if rejected.is_file():
        import pandas as pd

        from monai_minority.files import read_csv

        table = read_csv(rejected)
        by_rule = table["by_rule"].fillna(False).astype(bool) if "by_rule" in table else pd.Series(False, table.index)
        if by_rule.any():
            say(f"{by_rule.sum()} series were left out by the rules of dataset_options; {rejected} gives the reasons")
        count = int((~by_rule).sum())
        if count:
            say(f"{count} file(s) or entries were rejected; the reasons are in {rejected}")
            say("cohort.csv beside it says which files they are.")
            return REJECTED_STATUS
    return 0


def main() -> None:
    """Entry point."""
    catch_sigterm()
    try:
        app()
    except KeyboardInterrupt as stop:  # while modules are imported
        say(STOPPED)
        sys.exit(stop_status(stop))


if __name__ == "__main__":
    main()
