"""Which stages a comparison of methods runs, in what order and with what settings."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

FOLDER = "comparison/samples"
"""Where the methods' sample sets lie in the run folder."""

_SPECIAL = ("stages", "overlays", "needs", "samples")


@dataclass(frozen=True)
class Job:
    """One stage to run.

    Attributes:
        stage: name of its configuration; ``train+mine`` is ``train`` with the overlay ``mine`` merged over it.
        overlays: overlays merged after those of the whole run.
        settings: overrides, under those of the command line.
        title: what to call it.
    """

    stage: str
    overlays: tuple[str, ...] = ()
    settings: dict[str, Any] = field(default_factory=dict)
    title: str = ""


def all_jobs(methods: Mapping[str, Mapping[str, Any]]) -> list[Job]:
    """The jobs of all methods, whatever they lack: what their configurations have can be overridden."""
    return method_jobs({name: {**method, "needs": []} for name, method in methods.items()}, (), lambda name: None, 1)[0]


def method_jobs(
    methods: Mapping[str, Mapping[str, Any]],
    chosen: Sequence[str],
    setting: Callable[[str], Any],
    images: int,
) -> tuple[list[Job], dict[str, str]]:
    """Jobs of the chosen methods, each stage that several need once, and at the end the stage ``compare``.

    Args:
        methods: the configuration's ``methods``.
        chosen: names of methods; empty for all whose needs are met.
        setting: gives the value of a setting by its name.
        images: how many of each method.

    Returns:
        The jobs, and the methods left out with the setting that each lacks.

    Raises:
        ValueError: a name is that of no method, or one that was asked for lacks a setting; or no method is left.
    """
    left_out: dict[str, str] = {}
    for name in chosen:
        if name not in methods:
            raise ValueError(f"--method must be one of {', '.join(methods)}, got {name}")
    for name in chosen or methods:
        lacking = [need for need in methods[name].get("needs", []) if setting(need) is None]
        if lacking and chosen:
            raise ValueError(f"method {name} needs {lacking[0]}, which is null; give it, or leave the method out")
        if lacking:
            left_out[name] = lacking[0]
    names = [name for name in chosen or methods if name not in left_out]
    if not names:
        raise ValueError("methods must hold at least one method that can run, got none")
    jobs: list[Job] = []
    for name in names:
        method = methods[name]
        for stage in method.get("stages", []):
            if all(job.stage != stage for job in jobs):
                jobs.append(Job(stage, title=stage))
        if "samples" in method:
            continue
        settings = {key: value for key, value in method.items() if key not in _SPECIAL}
        targets = settings.get("target_classes")
        settings.setdefault("images_per_class", -(-images // max(1, len(targets) if isinstance(targets, list) else 1)))
        settings |= {"sample_folder": FOLDER, "sample_set": name}
        jobs.append(Job("inference", tuple(method.get("overlays", [])), settings, name))
    return [*jobs, Job("compare", settings={"chosen_methods": names}, title="compare")], left_out


def check_samples(methods: Mapping[str, Mapping[str, Any]], chosen: Sequence[str], run_dir: Path) -> None:
    """The sample sets made elsewhere must be there, except those of methods whose own stages may make them.

    Args:
        methods: the configuration's ``methods``.
        chosen: names of methods.
        run_dir: the run folder, which relative paths start from.

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
