"""``monai-minority study``: the stages that studies share, once, and then each study."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from monai_minority import bundle_stages
from monai_minority.studies import StageCall, Study, StudyPlan


def run_studies(
    bundle: Path,
    overlays: Sequence[str],
    run_dir: Path | None,
    names: Sequence[str],
    overrides: dict[str, Any],
    plan_only: bool = False,
) -> None:
    """Run studies on a run folder; what has been done is not done again, whichever study asked for it.

    Args:
        bundle: folder of the bundle.
        overlays: as for ``run``.
        run_dir: a run that is scored, cut and has its classifier.
        names: of studies, or ``all``, which runs the cheapest first and leaves out what the run has no data for.
        overrides: of any value.
        plan_only: say what would run and what it costs, and run nothing.

    Raises:
        ValueError: there is no study of a name, or the run has no data for it.
        FileNotFoundError: a study is of what another command writes, which has not run.
    """
    layers, parser = bundle_stages.configuration(bundle, list(overlays), "study")
    names_of_stages = ("study", "cut", "inference", "report", "score", "train_classifier")
    stages = [bundle_stages.stage_files(bundle, stage, layers) for stage in names_of_stages]
    bundle_stages.override_all(parser, bundle, run_dir, overrides, stages)
    known: dict[str, Study] = parser.get_parsed_content("studies")
    distances = parser["study_distances"]
    # The plan names the distances; the stages that score by them build them.
    plan: StudyPlan = replace(parser.get_parsed_content("study_plan"), distances=distances)
    chosen, left_out = _chosen(names, known, plan)
    if plan_only:
        _say_plan(chosen)
        return

    done: set[str] = set()
    jobs = [(name, call) for name, calls in chosen.items() for call in [*calls, None]]
    for number, (name, call) in enumerate(jobs, start=1):
        where = f"[{number}/{len(jobs)}] {name}"
        if call is None:
            files = bundle_stages.stage_files(bundle, "study", layers)
            bundle_stages.run_stage(where, files, bundle, {**overrides, "study": name})
        elif call.title not in done:
            done.add(call.title)
            files = bundle_stages.stage_files(bundle, call.stage, layers)
            settings = {**overrides, **call.settings, "run_dir": str(plan.folder / call.folder)}
            bundle_stages.run_stage(f"{where}, {call.title}", files, bundle, settings)
    for name, reason in left_out.items():
        bundle_stages.say(f"{name} was left out: {reason}")
    # Of an evaluation that is whole: one of an earlier version lacks what the report shows.
    if all((plan.run_dir / "evaluation" / name).is_file() for name in ("context.json", "unusual_images.csv")):
        files = bundle_stages.stage_files(bundle, "report", layers)
        bundle_stages.run_stage("report", files, bundle, overrides)


def _chosen(
    names: Sequence[str], known: dict[str, Study], plan: StudyPlan
) -> tuple[dict[str, list[StageCall]], dict[str, str]]:
    """Calls of each study, and why others are left out."""
    unknown = [name for name in names if name not in (*known, "all")]
    if unknown or not names:
        raise ValueError(f"a study must be one of {', '.join(known)}, or all, got {', '.join(unknown) or 'none'}")
    left_out: dict[str, str] = {}
    calls: dict[str, list[StageCall]] = {}
    everything = "all" in names
    for name in known if everything else dict.fromkeys(names):
        try:
            calls[name] = known[name].calls(plan)
            missing = [
                path for path in known[name].reads(plan) if plan.folder not in path.parents and not path.exists()
            ]
            if missing and everything:
                left_out[name] = f"{missing[0]} is missing"
                del calls[name]
        except (ValueError, FileNotFoundError) as error:
            if not everything:
                raise
            left_out[name] = str(error)
    if everything:
        calls = dict(sorted(calls.items(), key=lambda item: sum(call.evaluations for call in item[1])))
    return calls, left_out


def _say_plan(chosen: dict[str, list[StageCall]]) -> None:
    """Cost of each study, of what it adds to those before it, and its calls."""
    seen: set[str] = set()
    for name, calls in chosen.items():
        alone = sum(call.evaluations for call in calls)
        added = sum(call.evaluations for call in calls if call.title not in seen)
        bundle_stages.say(f"{name}: {alone:,} network evaluations, {added:,} beyond the studies above")
        for call in calls:
            again = ", shared with a study above" if call.title in seen else ""
            bundle_stages.say(f"  {call.title}: {call.evaluations:,}{again}")
        seen |= {call.title for call in calls}
