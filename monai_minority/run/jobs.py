"""From a command to jobs: which stages run, in what order, with what settings.

One order of precedence holds for every command: the bundle's own settings, overlays, what a sample set, method or study
says, the command line. A setting that has no place anywhere, or that no stage would use, is an error before anything
runs.
"""

import json
import logging
import shlex
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from monai_minority.files import whole_run
from monai_minority.run import overrides as over
from monai_minority.run.bundle import Bundle, load, merged, name_hint
from monai_minority.run.folder import check_default_place

COMPARED = "comparison/samples"
"""Where the methods' sample sets lie in the run folder."""

OF_A_SET = ("inference", "export")
"""Stages that are run once for each of the configuration's ``sample_sets``."""

ONE_FOLD = "train+one_fold"
"""The stage that is run once for each fold of the subjects."""

_DATA = {"prepare": "dataset_dir", "import_samples": "external_path"}
"""Stages that read what no stage wrote, and the setting that says where it is."""

_OF_A_METHOD = ("stages", "overlays", "needs", "samples")
"""What a method says besides settings of its samples."""

_TARGET = "target_classes"


@dataclass(frozen=True)
class Job:
    """One stage to run.

    Attributes:
        stage: name of its configuration; ``train+mine`` is ``train`` with the overlay ``mine`` merged over it.
        title: what to call it.
        overlays: overlays merged after those of the whole command.
        settings: of its sample set or method; the command line is above them.
        identity: what makes it this job and no other, such as the name of its sample set; above the command line.
        evaluations: forward passes of a network on one image that it costs, where that was counted.
    """

    stage: str
    title: str
    overlays: tuple[str, ...] = ()
    settings: Mapping[str, Any] = field(default_factory=dict)
    identity: Mapping[str, Any] = field(default_factory=dict)
    evaluations: int = 0


class Planner:
    """The configuration of one command, and the jobs that run on it.

    Args:
        bundle: the bundle.
        overlays: names or paths of the overlays, in the order of merging.
        command_line: overrides of any value.
        stages: whose settings the command itself reads, besides those that all stages share.

    Raises:
        ValueError: an overlay sets what no configuration has a place for.
    """

    def __init__(
        self, bundle: Bundle, overlays: Sequence[str], command_line: Mapping[str, Any], stages: Sequence[str] = ()
    ) -> None:
        warnings.filterwarnings("ignore", message="parsing config_file")
        self.bundle = bundle
        self.command_line = dict(command_line)
        self.layers = bundle.layers(overlays)
        for path in self.layers:
            check_overlay(bundle, path, self.layers)
        self.parser = merged([*bundle.common(), *(bundle.stages[name] for name in stages), *self.layers])
        known = {key: value for key, value in self.command_line.items() if key.split("::")[0] in self.parser.config}
        over.place(self.parser, {"bundle_root": str(bundle.path), **known})

    def setting(self, name: str) -> Any:
        """The value of a setting that all stages share, or that the command's own stages have."""
        return self.parser.get_parsed_content(name)

    def configured(self, stage: str) -> Any:
        """The configuration of one stage, with the overlays and the command line."""
        parser = merged(self.files(Job(stage, stage)))
        over.place(parser, {"bundle_root": str(self.bundle.path), **self.command_line})
        return parser

    def network(self, image_size: int) -> Any:
        """A new backbone for images of a size in pixels."""
        parser = merged([*self.bundle.common(), *self.layers])
        over.place(parser, {"bundle_root": str(self.bundle.path), **self.command_line, "image_size": image_size})
        return parser.get_parsed_content("network_def")

    def files(self, job: Job, of: str = "pipeline") -> tuple[Path, ...]:
        """Configurations of a job in the order of merging."""
        own = [self.bundle.overlay(name, f"methods::{job.title}::overlays") for name in job.overlays]
        return self.bundle.files(job.stage, [*self.layers, *own], of)

    def check(self, jobs: Sequence[Job], own: Callable[[Job], str], of: str = "pipeline") -> None:
        """See that every setting of the command line and of the jobs has a place and a use.

        Args:
            jobs: all jobs of the command, those that are left out this time too.
            own: what to put before a job's setting in a message, such as ``sample_sets::guided::``.
            of: what names the stages, for messages.

        Raises:
            ValueError: a setting has no place or no use.
        """
        for job in jobs:
            for key in job.identity.keys() & self.command_line.keys():
                raise ValueError(
                    f"override {key}={self.command_line[key]} would change nothing: each stage here has its own {key}; "
                    "choose by sample_sets, methods or cross_fit, or run the stage under python -m monai.bundle"
                )
        parsers = {files: merged(files) for files in dict.fromkeys(self.files(job, of) for job in jobs)}
        over.check_places(self.command_line, [self.parser, *parsers.values()])
        by_title: dict[str, list[Job]] = {}
        for job in jobs:
            by_title.setdefault(own(job), []).append(job)
        for title, same in by_title.items():
            known = [parsers[self.files(job, of)] for job in same]
            over.check_places({key: value for job in same for key, value in job.settings.items()}, known, title)
        roots = ("pipeline", "sample_sets", "methods", "chosen_methods", "comparison_images", "studies", "study_plan")
        mine = over.reached(self.parser, roots) | {"run_dir", "dataset_dir", "bundle_root"}
        stages = [key for key in self.command_line if key.split("::")[0] not in mine]
        over.check_used(stages, parsers.values())

    def run(
        self,
        jobs: Sequence[Job],
        say: Callable[[str], None],
        every_stage: bool = True,
        after: Callable[[Job], None] | None = None,
    ) -> None:
        """Run jobs in order; MONAI runs each as its printed command would.

        Args:
            jobs: the jobs.
            say: prints a line.
            every_stage: whether they are all there are; otherwise they were asked for by name, and may replace what
                was edited.
            after: is called with each job when it is done.

        Raises:
            RunInUse: another process writes into the run folder.
            ValueError: the run folder was not given, and the current folder is no place for it.
        """
        from monai_minority.run.lock import owned

        check_default_place(self.parser.config)
        with owned(self.setting("run_dir")), whole_run(every_stage):
            for number, job in enumerate(jobs, start=1):
                settings = {**job.settings, **self.command_line, **job.identity}
                run_stage(f"[{number}/{len(jobs)}] {job.title}", self.files(job), self.bundle, settings, say)
                if after is not None:
                    after(job)


def pipeline_jobs(planner: Planner, only: Sequence[str] = ()) -> list[Job]:
    """The stages of the pipeline, or some of them, those of a sample set or a fold once for each.

    Raises:
        ValueError: the pipeline is no list, a name is not in it, or a setting is wrong.
    """
    pipeline = planner.setting("pipeline")
    if not isinstance(pipeline, list):
        raise ValueError(f"pipeline must be a list of stages, got {pipeline!r}; write pipeline=[prepare, score]")
    for name in pipeline:
        planner.bundle.files(name, planner.layers)
    bare = {name: name.partition("+")[0] for name in pipeline}  # as messages call a stage, which know no overlay
    chosen = [name for name in pipeline if name in only or (bare[name] in only and bare[name] not in pipeline)]
    unknown = [name for name in only if name not in {*bare, *bare.values()}]
    if unknown:
        raise ValueError(f"--stage must be one of {', '.join(pipeline)}, got {', '.join(unknown)}")
    sets = planner.parser["sample_sets"] if any(name in OF_A_SET for name in pipeline) else {}
    jobs = []
    for name in pipeline:
        if name in OF_A_SET:
            jobs += [Job(name, f"{name} ({title})", (), given, {"sample_set": title}) for title, given in sets.items()]
        elif name == ONE_FOLD:
            folds = range(planner.setting("cross_fit"))
            jobs += [Job(name, f"{name} (fold {fold})", identity={"fold": fold}) for fold in folds]
        else:
            jobs.append(Job(name, name))
    # A set is for all of these stages, and most of its settings are for inference alone.
    used = [*jobs, *(Job("inference", "", (), given, {"sample_set": title}) for title, given in sets.items())]
    planner.check(used, lambda job: f"sample_sets::{job.identity.get('sample_set')}::")
    _refuse_one_target_for_all(planner, "sample_sets", sets)
    return [job for job in jobs if not only or job.stage in chosen]


def method_jobs(planner: Planner, chosen: Sequence[str] = ()) -> tuple[list[Job], dict[str, str]]:
    """Jobs of the methods to compare, each stage that several need once, and at the end the stage ``compare``.

    Args:
        planner: of the command ``compare``.
        chosen: names of methods; empty for those of ``chosen_methods``, or all whose needs are met.

    Returns:
        The jobs, and the methods left out with the setting that each lacks.

    Raises:
        ValueError: a name is that of no method, one that was asked for lacks a setting, none is left, or a setting is
            wrong.
    """
    methods = planner.parser["methods"]
    images = planner.setting("comparison_images")
    everything = [job for name in methods for job in _method(name, methods[name], images)]
    planner.check(
        [
            *everything,
            Job("compare", "compare"),
            *(Job(name, name) for name in ["report"] if name in planner.bundle.stages),
        ],
        lambda job: f"methods::{job.title}::" if job.settings else "",
        "the stages of methods",
    )
    settings = {name: method for name, method in methods.items() if "samples" not in method}
    _refuse_one_target_for_all(planner, "methods", settings)
    chosen = chosen or planner.setting("chosen_methods") or []
    for name in chosen:
        if name not in methods:
            raise ValueError(f"--method must be one of {', '.join(methods)}, got {name}")
    left_out: dict[str, str] = {}
    for name in chosen or methods:
        lacking = [need for need in methods[name].get("needs", []) if planner.setting(need) is None]
        if lacking and chosen:
            raise ValueError(f"method {name} needs {lacking[0]}, which is null; give it, or leave the method out")
        if lacking:
            left_out[name] = lacking[0]
    names = [name for name in chosen or methods if name not in left_out]
    if not names:
        raise ValueError("methods must hold at least one method that can run, got none")
    jobs = list({job.title: job for name in names for job in _method(name, methods[name], images)}.values())
    return [*jobs, Job("compare", "compare", identity={"chosen_methods": names})], left_out


def check_samples(methods: Mapping[str, Mapping[str, Any]], chosen: Sequence[str], run_dir: Path) -> None:
    """The sample sets made elsewhere must be there, except those of methods whose own stages may make them.

    Raises:
        FileNotFoundError: a folder is not there, or is no image store.
    """
    for name in chosen:
        samples = methods[name].get("samples")
        if samples and not methods[name].get("stages") and not (run_dir / samples / "store.json").is_file():
            raise FileNotFoundError(
                f"methods::{name}::samples must be the folder of an image store, {run_dir / samples} is none; correct "
                "the path, or make it with the stage import_samples"
            )


def check_overlay(bundle: Bundle, path: Path, layers: Sequence[Path] = ()) -> None:
    """See that every key of an overlay is one of the bundle's, or is used by an overlay beside it.

    Raises:
        ValueError: a key has no place; the nearest name is given.
    """
    known = [load(file) for file in (*bundle.common(), *bundle.stages.values())]
    known += [load(file) for file in dict.fromkeys((*bundle.layers([]), *layers)) if file != path]
    names = {key.lstrip("+").split("::")[0] for config in known for key in config}
    mine = load(path)
    everywhere = {key.lstrip("+") for file in (*bundle.common(), *bundle.layers([]), *layers) for key in load(file)}
    referred = {name for config in (mine, *known) for name in over.references(config)}
    for key in mine:
        root = key.lstrip("+").split("::")[0]
        if root not in names and root not in referred and path != bundle.configs / "common.yaml":
            hint = name_hint(root, names, "see the bundle's configs")
            raise ValueError(f"{path} sets {key}, which no configuration of the bundle has a place for; {hint}")
        if "::" in key and root not in everywhere and root in names:
            raise ValueError(
                f"{path} sets {key}, and not every stage has {root}, so MONAI cannot merge it; set {root} as a whole, "
                f"or give {key} on the command line"
            )


def run_stage(
    title: str, files: Sequence[Path], bundle: Bundle, settings: Mapping[str, Any], say: Callable[[str], None]
) -> None:
    """Run one stage as ``python -m monai.bundle run`` does, after saying the command. Settings that it has no place for
    are left out."""
    from monai.bundle import run as run_bundle

    parser = merged(files)
    placed = over.place(parser, settings)
    _check_data(parser, files, bundle)
    names = [str(file) for file in files]
    command = ["python", "-m", "monai.bundle", "run", "--config_file", json.dumps(names)]
    command += ["--bundle_root", str(bundle.path)]
    for key, value in placed.items():
        command += [f"--{key}", str(value)]
    say(f"\n{title}\n  {shlex.join(command)}")
    # MONAI warns of a default that the metadata and logging files given here replace.
    logging.getLogger("monai.bundle.workflows").addFilter(_is_no_warning_of_folders)
    started = time.perf_counter()
    run_bundle(
        config_file=names,
        meta_file=str(bundle.configs / "metadata.json"),
        logging_file=str(bundle.configs / "logging.conf"),
        bundle_root=str(bundle.path),
        **placed,
    )
    say(f"  done in {time.perf_counter() - started:.0f} s")


def _method(name: str, method: Mapping[str, Any], images: int) -> list[Job]:
    """The stages that a method needs first, and its sampling, unless its samples were made elsewhere."""
    jobs = [Job(stage, stage) for stage in method.get("stages", [])]
    if "samples" in method:
        return jobs
    settings = {key: value for key, value in method.items() if key not in _OF_A_METHOD}
    targets = settings.get(_TARGET)
    settings.setdefault("images_per_class", -(-images // max(1, len(targets) if isinstance(targets, list) else 1)))
    where = {"sample_folder": COMPARED, "sample_set": name}
    return [*jobs, Job("inference", name, tuple(method.get("overlays", [])), settings, where)]


def _refuse_one_target_for_all(planner: Planner, of: str, sets: Mapping[str, Mapping[str, Any]]) -> None:
    """One target for sets that aim at different ones, or at none, would leave no unguided one, under that name."""
    if _TARGET not in planner.command_line or len({str(given.get(_TARGET)) for given in sets.values()}) < 2:
        return
    value = str(planner.command_line[_TARGET]).replace("'", "")
    last = next(name for name in list(sets)[::-1] if sets[name].get(_TARGET) != [])
    raise ValueError(
        f"override {_TARGET} would give one target to {' and '.join(sets)}, which differ in it; say which you mean: "
        f"{of}::{last}::{_TARGET}={value}"
    )


def _check_data(parser: Any, files: Sequence[Path], bundle: Bundle) -> None:
    """The data that a stage reads must be there, and is called by its setting where it is not."""
    names = [_DATA[file.stem] for file in files if file.stem in _DATA]
    if names:
        parser["bundle_root"] = str(bundle.path)
    for name in names:
        path = parser.get_parsed_content(name)
        if path is None or not Path(path).exists():
            remedy = "--dataset-dir /data/mine" if name == "dataset_dir" else f"{name}=/data/mine"
            raise FileNotFoundError(f"{name} must be an existing folder or file, got {path}; give {remedy}")


def _is_no_warning_of_folders(record: logging.LogRecord) -> bool:
    return not record.getMessage().startswith("Not all config files are in")
