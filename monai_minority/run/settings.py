"""What a bundle can be told: its settings, stages, overlays and methods, with their meaning from the configurations.

The comments of the configurations are the one source: of this list, of ``monai-minority settings`` and of the
documentation.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from monai_minority.run.bundle import Bundle, load, yaml_line

_KEY = re.compile(r"([A-Za-z_]\w*):(?:\s|$)")
_PROGRAM = ("imports", "initialize", "run", "finalize", "bundle_root", "stage_configs")


@dataclass(frozen=True)
class Setting:
    """A setting of a bundle.

    Attributes:
        name: its name.
        value: as it is written; of an object, its class.
        meaning: from the comment; empty where there is none.
        file: name of the configuration that has it, ``common`` for what all stages share.

    Example:
        >>> from monai_minority.run import Bundle, find_settings
        >>> next(one for one in find_settings(Bundle("brain_mri")) if one.name == "guidance_scale").value
        '2.0'
    """

    name: str
    value: str
    meaning: str
    file: str


def find_settings(bundle: Bundle) -> list[Setting]:
    """Every setting of a bundle that a user may change, in the order of the configurations, each name once.

    Left out are the objects that a stage is wired of and the expressions that have no comment.

    Args:
        bundle: the bundle.

    Example:
        >>> from monai_minority.run import Bundle, find_settings
        >>> [one.meaning for one in find_settings(Bundle("brain_mri")) if one.name == "guidance_scale"]
        ['w of Eq. 8']
    """
    found: dict[str, Setting] = {}
    stages = bundle.stages
    told = heads(stages)
    # Those of the pipeline first, in its order; their sentences begin with "Stage 1" and so on.
    order = sorted(stages, key=lambda name: (not told[name].startswith("Stage"), told[name]))
    for file in (*bundle.layers([]), *bundle.common(), *(stages[name] for name in order)):
        for one in _of_file(file):
            first = found.setdefault(one.name, one)
            if not first.meaning and one.meaning:  # said where the stage is that it is about
                found[one.name] = Setting(first.name, first.value, one.meaning, first.file)
    return [one for one in found.values() if one.meaning or not _is_wiring(one.value)]


def heads(files: Mapping[str, Path]) -> dict[str, str]:
    """What each configuration is, from the sentences at its top.

    Args:
        files: configurations by name.

    Example:
        >>> from monai_minority.run import Bundle, heads
        >>> heads(Bundle("brain_mri").stages)["score"]
        'Stage 3: score every stored image (Eq. 7).'
    """
    return {name: _head(path) for name, path in files.items()}


def _head(path: Path) -> str:
    text = []
    for line in path.read_text(encoding="utf-8").splitlines():
        if not line.startswith("#") or line.startswith("# python -m"):
            break
        text.append(line.lstrip("# "))
    return " ".join(text)


def _of_file(path: Path) -> list[Setting]:
    lines = path.read_text(encoding="utf-8").splitlines()
    config = load(path)
    start = next((number for number, line in enumerate(lines) if not line.startswith("#")), 0)
    found = []
    above: list[str] = []
    for number, line in enumerate(lines):
        key = _KEY.match(line)
        if number < start or line.startswith("- ") or (line.startswith(" ") and not key):
            above = []
        elif line.startswith("#"):
            above.append(line.lstrip("# "))
        elif key and key[1] not in _PROGRAM:
            beside = line.partition("  # ")[2]
            found.append(Setting(key[1], _written(config[key[1]]), beside or " ".join(above), path.stem))
            above = []
        else:
            above = []
    return found


def _written(value: Any) -> str:
    """A value in a line: an object by its class, what is text without quotes, all else as YAML has it."""
    if isinstance(value, dict) and "_target_" in value:
        return str(value["_target_"])
    if isinstance(value, str):
        return value or '""'
    return yaml_line(value)


def _is_wiring(value: str) -> bool:
    """Whether a value is an object or an expression, which a stage is put together of."""
    return (
        value.startswith(("$", "@"))
        or "_target_" in value
        or "@" in value
        or re.fullmatch(r"\w+(\.\w+){2,}", value) is not None
    )
