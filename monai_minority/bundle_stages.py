"""Stages of a bundle from the command line: which configurations make one, what overrides them, and running it."""

import difflib
import json
import logging
import os
import shlex
import sys
import time
import warnings
from pathlib import Path
from typing import Any


def configuration(bundle: Path, overlays: list[str], *stages: str) -> tuple[list[Path], Any]:
    """What is merged over every stage's configuration, and what it says together with those of ``stages``."""
    if not (bundle / "configs" / "common.yaml").is_file():
        raise FileNotFoundError(f"--bundle must be a bundle's folder, {bundle} has no configs/common.yaml")
    shared = shared_configs(bundle)
    layers = [overlay(bundle, name) for name in overlays]
    if shared != bundle / "configs":  # the bundle's own settings lie over those of the stages that it shares
        layers.insert(0, bundle / "configs" / "common.yaml")

    from monai.bundle import ConfigParser  # here: it takes seconds, and --help should not

    warnings.filterwarnings("ignore", message="parsing config_file")
    parser = ConfigParser()
    parser.read_config([str(path) for path in (*(shared / f"{name}.yaml" for name in ("common", *stages)), *layers)])
    return layers, parser


def override_all(parser: Any, bundle: Path, run_dir: Path | None, overrides: dict[str, Any], known: list[str]) -> Path:
    """Put the overrides, which some file of ``known`` must have, into the parser; the run folder."""
    if run_dir is not None:
        overrides["run_dir"] = str(run_dir.resolve())
    check_known(overrides, known)
    for key, value in {"bundle_root": str(bundle), **overrides}.items():
        if key.split("::")[0] in parser.config:
            parser[key] = value
    return Path(parser.get_parsed_content("run_dir"))


def job_files(bundle: Path, job: Any, layers: list[Path]) -> list[str]:
    """Configurations of a method's stage: its own overlays lie over those of the whole run."""
    return stage_files(bundle, job.stage, [*layers, *(overlay(bundle, name) for name in job.overlays)])


def stage_files(bundle: Path, name: str, layers: list[Path], missing: bool = False) -> list[str]:
    """Configurations of a stage in the order of merging; in ``train+mine`` the overlay ``mine`` is merged last.

    Args:
        missing: pass over a stage without a configuration.
    """
    shared = shared_configs(bundle)
    stage, *variants = name.split("+")
    own = shared / f"{stage}.yaml"
    files = [shared / "common.yaml", *([own] if own.is_file() or not missing else []), *layers]
    return [str(path) for path in (*files, *(overlay(bundle, variant) for variant in variants))]


def run_stage(title: str, files: list[str], bundle: Path, overrides: dict[str, Any]) -> None:
    from monai.bundle import run as run_bundle

    # A part of what only another stage has cannot be set here.
    roots = _roots(files)
    overrides = {key: value for key, value in overrides.items() if "::" not in key or key.split("::")[0] in roots}
    command = ["python", "-m", "monai.bundle", "run", "--config_file", json.dumps(files), "--bundle_root", str(bundle)]
    for key, value in overrides.items():
        command += [f"--{key}", str(value)]
    say(f"\n{title}\n  {shlex.join(command)}")
    # MONAI warns of a default that the metadata and logging files given here replace.
    logging.getLogger("monai.bundle.workflows").addFilter(_is_no_warning_of_folders)
    started = time.perf_counter()
    run_bundle(
        config_file=files,
        meta_file=str(bundle / "configs" / "metadata.json"),
        logging_file=str(bundle / "configs" / "logging.conf"),
        bundle_root=str(bundle),
        **overrides,
    )
    say(f"  done in {time.perf_counter() - started:.0f} s")


def _is_no_warning_of_folders(record: logging.LogRecord) -> bool:
    return not record.getMessage().startswith("Not all config files are in")


def shared_configs(bundle: Path) -> Path:
    """Folder of the stages' configurations: a bundle may share another's, which its ``stage_configs`` names."""
    from monai.bundle import ConfigParser

    own = bundle / "configs"
    folder = ConfigParser.load_config_file(own / "common.yaml").get("stage_configs")
    if folder is None:
        return own
    if not (bundle / folder / "common.yaml").is_file():
        raise FileNotFoundError(
            f"stage_configs of {bundle} must be a folder with common.yaml, {bundle / folder} is none"
        )
    return bundle / folder


def overlay(bundle: Path, name: str) -> Path:
    folders = dict.fromkeys((bundle / "configs", shared_configs(bundle)))
    for path in (*(folder / f"{name}.yaml" for folder in folders), Path(name)):
        if path.is_file():
            return path
    known = sorted({path.stem for folder in folders for path in folder.glob("*.yaml")})
    raise FileNotFoundError(f"--overlay must be a YAML file or one of {', '.join(known)}, got {name}")


def override(text: str) -> tuple[str, Any]:
    import yaml

    key, separator, value = text.partition("=")
    if not separator or not key:
        raise ValueError(f"overrides must be KEY=VALUE, got {text!r}")
    try:
        parsed = yaml.safe_load(value)
    except yaml.YAMLError:
        raise ValueError(f"the value of an override must be YAML, got {text!r}; put text in quotes") from None
    return key, "$None" if parsed is None else parsed  # MONAI takes None for an override that was not given


def check_known(overrides: dict[str, Any], files: list[str]) -> None:
    """An override that no configuration has would change nothing, silently."""
    known = _roots(files)
    for key in overrides:
        if key.split("::")[0] not in known:
            near = difflib.get_close_matches(key, known, 3)
            hint = f"did you mean {' or '.join(near)}?" if near else "see the bundle's configs"
            raise ValueError(f"override {key} is in no configuration of the pipeline; {hint}")


def _roots(files: list[str]) -> set[str]:
    """Names at the top of some configurations."""
    from monai.bundle import ConfigParser

    return {key.split("::")[0].lstrip("+") for file in files for key in ConfigParser.load_config_file(file)}


def say(text: str, error: bool = False) -> None:
    if int(os.environ.get("RANK", 0)) == 0:
        print(text, file=sys.stderr if error else sys.stdout, flush=True)
