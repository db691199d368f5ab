"""Stages of a bundle from the command line: which configurations make one, what overrides them, and running it."""

import difflib
import functools
import json
import logging
import os
import shlex
import sys
import time
import warnings
from collections.abc import Iterable
from pathlib import Path
from typing import Any

_DATA = {"prepare": "dataset_dir", "import_samples": "external_path"}
"""Stages that read what no stage wrote, and the setting that says where it is."""


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


def override_all(
    parser: Any, bundle: Path, run_dir: Path | None, overrides: dict[str, Any], stages: list[list[str]]
) -> Path:
    """Put the overrides, for which one of the ``stages`` must have a place, into the parser; the run folder."""
    if run_dir is not None:
        overrides["run_dir"] = str(run_dir.resolve())
    check_known(overrides, stages)
    _put(parser, {"bundle_root": str(bundle), **overrides})
    return Path(parser.get_parsed_content("run_dir"))


def job_files(bundle: Path, job: Any, layers: list[Path]) -> list[str]:
    """Configurations of a method's stage: its own overlays lie over those of the whole run."""
    own = [overlay(bundle, name, f"methods::{job.title}::overlays") for name in job.overlays]
    return stage_files(bundle, job.stage, [*layers, *own], "the stages of methods")


def stage_files(bundle: Path, name: str, layers: list[Path], of: str = "pipeline") -> list[str]:
    """Configurations of a stage in the order of merging; in ``train+mine`` the overlay ``mine`` is merged last.

    Args:
        of: what names the stage, for messages.
    """
    shared = shared_configs(bundle)
    stage, *variants = name.split("+")
    own = shared / f"{stage}.yaml"
    if not own.is_file() or not _is_stage(own):
        known = sorted(path.stem for path in shared.glob("*.yaml") if _is_stage(path))
        hint = _hint(stage, known, f"there are {', '.join(known)}")
        raise FileNotFoundError(f"{of} must be stages of the bundle, got {stage}; {hint}")
    files = [shared / "common.yaml", own, *layers]
    return [str(path) for path in (*files, *(overlay(bundle, variant, f"{of}, {name},") for variant in variants))]


def run_stage(title: str, files: list[str], bundle: Path, overrides: dict[str, Any]) -> None:
    from monai.bundle import run as run_bundle

    parser = _merged(files)
    overrides = _put(parser, overrides)
    _check_data(parser, files, bundle)
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


def _check_data(parser: Any, files: list[str], bundle: Path) -> None:
    """The data that a stage reads must be there, and is called by its setting where it is not."""
    names = [_DATA[stage] for stage in (Path(file).stem for file in files) if stage in _DATA]
    if names:
        parser["bundle_root"] = str(bundle)
    for name in names:
        path = parser.get_parsed_content(name)
        if path is None or not Path(path).exists():
            remedy = "--dataset-dir /data/mine" if name == "dataset_dir" else f"{name}=/data/mine"
            raise FileNotFoundError(f"{name} must be an existing folder or file, got {path}; give {remedy}")


def _is_no_warning_of_folders(record: logging.LogRecord) -> bool:
    return not record.getMessage().startswith("Not all config files are in")


@functools.cache  # asked for each stage, of a long file
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


def overlay(bundle: Path, name: str, of: str = "--overlay") -> Path:
    folders = dict.fromkeys((bundle / "configs", shared_configs(bundle)))
    for path in (*(folder / f"{name}.yaml" for folder in folders), Path(name)):
        if path.is_file():
            return path
    paths = [path for folder in folders for path in folder.glob("*.yaml")]
    known = sorted({path.stem for path in paths if path.stem != "common" and not _is_stage(path)})
    hint = _hint(name, known, f"there are {', '.join(known)}")
    raise FileNotFoundError(f"{of} must be a YAML file or an overlay of the bundle, got {name}; {hint}")


def _is_stage(path: Path) -> bool:
    """Whether a configuration is that of a stage and no overlay."""
    from monai.bundle import ConfigParser

    return "run" in ConfigParser.load_config_file(path)


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


def check_known(overrides: dict[str, Any], stages: Iterable[list[str]], of: str = "override ") -> None:
    """An override that no stage has a place for would change nothing, silently.

    Args:
        overrides: values by name, ``a::b`` for a part of ``a``.
        stages: configurations of each stage that gets them.
        of: what to put before a name in a message, such as ``methods::mine::``.
    """
    parsers = [_merged(files) for files in dict.fromkeys(map(tuple, stages))]
    for key, value in overrides.items():
        root = key.split("::")[0]
        strays = [_stray(parser.config, key) for parser in parsers if root in parser.config]
        if not strays:
            known = {name for parser in parsers for name in parser.config}
            hint = _hint(root, known, "see the bundle's configs")
            raise ValueError(f"{of}{key} is in no configuration of the pipeline; {hint}")
        if all(strays):
            whole, part, parts = max(filter(None, strays), key=lambda stray: len(stray[0]))
            hint = _hint(part, parts, f"it has {', '.join(parts) or 'no parts'}")
            raise ValueError(f"{of}{key} must be a path in the configuration, {whole} has no {part}; {hint}")
        for parser in parsers:
            _put(parser, {key: value})


def _put(parser: Any, overrides: dict[str, Any]) -> dict[str, Any]:
    """Put into a configuration the overrides that it has a place for: MONAI refuses the others. Returns them."""
    placed = {}
    for key, value in overrides.items():
        if _stray(parser.config, key) is None:
            parser[key] = placed[key] = value
    return placed


def _stray(config: Any, path: str) -> tuple[str, str, list[str]] | None:
    """The first part of ``a::b::c`` that is not there: of what, itself and the parts there are.

    A dict can get new parts, so the last may be missing in one.
    """
    parts = path.split("::")
    for place, part in enumerate(parts):
        names = list(config) if isinstance(config, dict) else list(map(str, range(len(config))))
        if part not in names:
            is_new = isinstance(config, dict) and place == len(parts) - 1
            return None if is_new else ("::".join(parts[:place]), part, names)
        config = config[part if isinstance(config, dict) else int(part)]
        if not isinstance(config, dict | list):
            config = ()  # a plain value has no parts
    return None


def _merged(files: Iterable[str]) -> Any:
    from monai.bundle import ConfigParser

    parser = ConfigParser()
    parser.read_config(list(files))
    return parser


def _hint(name: str, known: Iterable[str], otherwise: str) -> str:
    near = difflib.get_close_matches(name, sorted(known), 3)
    return f"did you mean {' or '.join(near)}?" if near else otherwise


def say(text: str, error: bool = False) -> None:
    if int(os.environ.get("RANK", 0)) == 0:
        print(text, file=sys.stderr if error else sys.stdout, flush=True)
