"""A bundle's configurations: which are stages, which are overlays, and where they lie."""

import difflib
import functools
import os
import re
import sysconfig
from collections.abc import Iterable, Sequence
from datetime import date
from pathlib import Path
from typing import Any

from monai_minority.data.paths import regular_file
from monai_minority.shown import Shown

NUMBER = re.compile(r"[-+]?(\d+(\.\d*)?|\.\d+)[eE][-+]?\d+$")
"""Numbers that YAML's default takes for text."""
_LARGEST, _MOST = 1_000_000, 100_000


class Bundle(Shown):
    """The folder of a MONAI bundle, and of the bundle whose stages it shares, if any.

    ``configs/`` has ``common.yaml`` and a file a stage; ``configs/overlays/`` has, at any depth, what is merged over
    them. A ``common.yaml`` may name with ``stage_configs`` the ``configs/`` of another bundle, whose stages and
    overlays are then found too, under its own; where that folder is not there, those of the bundle of that name that
    came with the package are.

    Args:
        path: the folder, or the name of a bundle that came with the package.

    Raises:
        FileNotFoundError: it is no bundle, or shares the stages of none.

    Example:
        >>> from monai_minority.run import Bundle
        >>> bundle = Bundle("brain_mri")
        >>> "score" in bundle.stages, "phantom" in bundle.overlays
        (True, True)
    """

    def __init__(self, path: str | Path) -> None:
        path = Path(path)
        if not (path / "configs" / "common.yaml").is_file():
            shipped = {bundle.name: bundle for bundle in shipped_bundles()}
            if str(path) not in shipped:
                hint = name_hint(str(path), shipped, f"there are {', '.join(shipped)}")
                raise FileNotFoundError(
                    f"--bundle must be a bundle's folder or name, {path} has no configs/common.yaml; {hint}"
                )
            path = shipped[str(path)]
        self.path = path.resolve()
        self.configs = self.path / "configs"
        shared = load(self.configs / "common.yaml").get("stage_configs")
        self.shared = self.configs if shared is None else (self.path / shared).resolve()
        """``configs/`` of the stages."""
        if not (self.shared / "common.yaml").is_file():  # not beside a bundle that was moved alone
            known = [bundle / "configs" for bundle in shipped_bundles() if bundle.name == self.shared.parent.name]
            self.shared = known[0] if known else self.shared
        if not (self.shared / "common.yaml").is_file():
            raise FileNotFoundError(
                f"stage_configs of {path} must be a folder with common.yaml, {path / str(shared)} is none"
            )

    @property
    def stages(self) -> dict[str, Path]:
        """The stages by name."""
        return {path.stem: path for path in sorted(self.shared.glob("*.yaml")) if "run" in load(path)}

    @property
    def overlays(self) -> dict[str, Path]:
        """The overlays by name, the bundle's own before those of the bundle that it shares."""
        folders = dict.fromkeys((self.configs, self.shared))
        found = [path for folder in folders for path in sorted((folder / "overlays").rglob("*.yaml"))]
        return {path.stem: path for path in reversed(found)}

    def common(self) -> list[Path]:
        """What lies under every stage: the settings that stages share."""
        return [self.shared / "common.yaml"]

    def layers(self, names: Sequence[str]) -> list[Path]:
        """What lies over every stage: the bundle's own settings where its stages are another's, and overlays."""
        own = [] if self.shared == self.configs else [self.configs / "common.yaml"]
        return [*own, *map(self.overlay, names)]

    def overlay(self, name: str, of: str = "--overlay") -> Path:
        """An overlay by its name or path.

        Args:
            name: the name.
            of: what names it, for messages.

        Raises:
            FileNotFoundError: there is none.
        """
        known = self.overlays
        if name in known:
            return known[name]
        if Path(name).is_file():
            return Path(name)
        hint = name_hint(name, known, f"there are {', '.join(sorted(known))}")
        raise FileNotFoundError(f"{of} must be a YAML file or an overlay of the bundle, got {name}; {hint}")

    def files(self, stage: str, layers: Sequence[Path] = (), of: str = "pipeline") -> tuple[Path, ...]:
        """Configurations of a stage in the order of merging; in ``train+mine`` the overlay ``mine`` is merged last.

        Args:
            stage: its name.
            layers: what lies over it.
            of: what names the stage, for messages.

        Raises:
            FileNotFoundError: there is no such stage or overlay.
        """
        name, *variants = stage.split("+")
        known = self.stages
        if name not in known:
            hint = name_hint(name, known, f"there are {', '.join(known)}")
            raise FileNotFoundError(f"{of} must be stages of the bundle, got {name}; {hint}")
        over = [self.overlay(variant, f"{of}, {stage},") for variant in variants]
        return (*self.common(), known[name], *layers, *over)


def shipped_bundles() -> list[Path]:
    """The bundles that came with the package: beside it in a clone, among the data files of an installed wheel."""
    beside = Path(__file__).parents[2] / "bundles"
    installed = Path(sysconfig.get_path("data")) / "share" / "monai_minority" / "bundles"
    folder = beside if beside.is_dir() else installed
    return sorted(config.parents[1] for config in folder.glob("*/configs/common.yaml"))


def merged(files: Iterable[Path]) -> Any:
    """A parser of configurations that are merged in their order."""
    from monai.bundle import ConfigParser  # here: it takes seconds, and --help should not

    read_numbers()
    parser = ConfigParser()
    parser.read_config([str(path) for path in files])
    return parser


def load(path: Path) -> dict[str, Any]:
    """One configuration as it is written; not to be changed.

    Raises:
        ValueError: it is no file, holds no settings by name, or has more than 1 MB or 100,000 values, each counted as
            often as an alias of YAML repeats it.
    """
    try:
        found = regular_file(path)
    except ValueError as error:
        raise ValueError(f"{path} must be a file of settings: {error}") from None
    if found.st_size > _LARGEST:
        raise ValueError(f"{path} must be a file of settings, of at most {_LARGEST:,} bytes, got {found.st_size:,}")
    return _load(path, found.st_mtime_ns)


def name_hint(name: str, known: Iterable[str], otherwise: str) -> str:
    """A hint for a name that is not known."""
    near = difflib.get_close_matches(name, sorted(known), 3)
    return f"did you mean {' or '.join(near)}?" if near else otherwise


@functools.cache
def read_numbers() -> None:
    """Have YAML read ``1e-4`` as a number, as JSON and YAML 1.2 do; its default wants a point and a sign. A name that
    stands twice is an error, where MONAI warns and takes the last."""
    import yaml

    os.environ.setdefault("MONAI_FAIL_ON_DUPLICATE_CONFIG", "1")
    yaml.SafeLoader.add_implicit_resolver("tag:yaml.org,2002:float", NUMBER, list("-+.0123456789"))


def yaml_line(value: Any) -> str:
    """A value as YAML has it, in one line."""
    import yaml

    text = yaml.safe_dump(value, default_flow_style=True, width=10_000, allow_unicode=True)
    return text.removesuffix("\n").removesuffix("\n...")


@functools.cache  # asked for each stage, of long files
def _load(path: Path, changed: int) -> dict[str, Any]:
    from monai.bundle import ConfigParser

    read_numbers()
    try:
        content = ConfigParser.load_config_file(path)
    except Exception as error:  # of YAML, of JSON, of the encoding
        reason = " ".join(str(error).split())
        raise ValueError(f"{path} cannot be read as settings in YAML or JSON, in UTF-8: {reason}") from error
    if not isinstance(content, dict) or not all(isinstance(name, str) for name in content):
        got = f"the names {', '.join(map(repr, content))}" if isinstance(content, dict) else type(content).__name__
        raise ValueError(f"{path} must hold settings by name, got {got}")
    left: list[Any] = [content]
    for _ in range(_MOST):
        if not left:
            return content
        value = left.pop()
        if isinstance(value, date):
            raise ValueError(f"{path} must have quotation marks around the date {value}")
        left += value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    raise ValueError(f"{path} must hold at most {_MOST:,} values, each counted as often as an alias repeats it")
