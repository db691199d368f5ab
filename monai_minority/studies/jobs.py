"""``monai-minority study``: the stages that studies share, run once, and then each study."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from monai_minority.run.jobs import Job, Planner
from monai_minority.studies.plan import StudyPlan
from monai_minority.studies.study import Study

STAGES = ("study", "study_store", "cut", "inference", "report", "score", "train_classifier")
"""Stages that studies use."""


def study_jobs(planner: Planner, names: Sequence[str]) -> tuple[dict[str, list[Job]], dict[str, str]]:
    """The jobs of each study, which end with the study itself. ``all`` starts with the cheapest and leaves out studies
    without data.

    Returns:
        The jobs by study, and the reason for each study that is left out.

    Raises:
        ValueError: a name is unknown, the run has no data for a study, or a setting is wrong.
        FileNotFoundError: a study needs the results of another command, which has not run.
    """
    planner.check([Job(stage, stage) for stage in STAGES], lambda job: "")
    known: dict[str, Study] = planner.setting("studies")
    # The plan names the distances; the stages that score by them build them.
    plan: StudyPlan = replace(planner.setting("study_plan"), distances=planner.parser["study_distances"])
    unknown = [name for name in names if name not in (*known, "all")]
    if unknown or not names:
        raise ValueError(f"a study must be one of {', '.join(known)}, or all, got {', '.join(unknown) or 'none'}")
    everything = "all" in names
    found: dict[str, list[Job]] = {}
    left_out: dict[str, str] = {}
    for name in known if everything else dict.fromkeys(names):
        try:
            jobs = known[name].calls(plan)
            outside = [path for path in known[name].reads(plan) if plan.folder not in path.parents]
            missing = [path for path in outside if not path.exists()]
            if missing and everything:
                left_out[name] = f"{missing[0]} is missing"
            else:
                found[name] = [*jobs, Job("study", name, identity={"study": name})]
        except (ValueError, FileNotFoundError) as error:
            if not everything:
                raise
            left_out[name] = str(error)
    if everything:
        found = dict(sorted(found.items(), key=lambda item: sum(job.evaluations for job in item[1])))
    return found, left_out


def once(found: dict[str, list[Job]]) -> list[Job]:
    """The jobs of all studies in order. A shared job appears once, with the name of its first study."""
    jobs: dict[str, Job] = {}
    for name, own in found.items():
        for job in own:
            title = job.title if job.title == name else f"{name}, {job.title}"
            jobs.setdefault(job.title, replace(job, title=title))
    return list(jobs.values())


def told(found: dict[str, list[Job]]) -> Iterator[str]:
    """Lines with the cost of each study, the cost that it adds to the studies before it, and its jobs."""
    seen: set[str] = set()
    for name, own in found.items():
        jobs = own[:-1]
        alone = sum(job.evaluations for job in jobs)
        added = sum(job.evaluations for job in jobs if job.title not in seen)
        yield f"{name}: {alone:,} network evaluations, {added:,} beyond the studies above"
        for job in jobs:
            again = ", shared with a study above" if job.title in seen else ""
            yield f"  {job.title}: {job.evaluations:,}{again}"
        seen |= {job.title for job in jobs}
