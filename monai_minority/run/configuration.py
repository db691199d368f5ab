"""What a stage depends on, read from its configuration."""

import inspect
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from monai.bundle import ConfigParser
from monai.bundle.reference_resolver import ReferenceResolver

from monai_minority.run.content import of_path

UNINFLUENTIAL = frozenset(
    {
        "run_dir",  # where results lie
        "bundle_root",
        "device",  # what computes them
        "num_workers",
        "phantom_workers",
        "score_batch_size",  # images a batch, where each image is on its own: float32 rounding apart
        "encode_batch_size",
        "sampling_batch_size",
        "evaluation_batch_size",
        "external_batch_size",
        "grid_every",  # pictures of a training, beside its result
        "grid_steps",
        "grid_inferer",
        "progress",
        "_desc_",
    }
)
"""Settings that cannot change a result. All others that a stage refers to count, without being named anywhere."""

TRACKER = "MLFlowHandler"
"""What MONAI's experiment tracking puts into a configuration; it looks on."""


class Configuration:
    """The settings that a stage of a parsed configuration refers to, directly or through others.

    Args:
        parser: a parser that has resolved the stage.
        root: id of the stage in it.

    Example:
        >>> from monai.bundle import ConfigParser
        >>> from monai_minority.run import Configuration
        >>> parser = ConfigParser({"stage": {"steps": "$2 * @epochs"}, "epochs": 3, "unused": 1, "device": "cpu"})
        >>> _ = parser.get_parsed_content("stage")
        >>> Configuration(parser).settings
        {'stage::steps': 6}
    """

    def __init__(self, parser: ConfigParser, root: str = "stage") -> None:
        self.parser = parser
        self.root = root
        self.run_dir = Path(parser.get_parsed_content("run_dir", default=".")).absolute()

    @classmethod
    def of_caller(cls) -> "Configuration | None":
        """That of the parser which is making the calling object, ``None`` where no parser is.

        MONAI gives an object its arguments and nothing of where they came from, so the parser is found on the stack.
        """
        parsers = [one for one in callers() if isinstance(one, ConfigParser)]
        return cls(parsers[-1]) if parsers else None

    @property
    def settings(self) -> dict[str, Any]:
        """Every leaf by its path ``a::b``: a plain value as it was resolved, all else as it is written.

        Paths within the run folder are given from there, so that a moved run folder stays valid; what lies elsewhere
        counts by its content. Leaves of :data:`UNINFLUENTIAL` are left out.
        """
        return dict(sorted(self._leaves()))

    @property
    def objects(self) -> Iterator[Any]:
        """What the items that the stage refers to were resolved to."""
        resolved = self.parser.ref_resolver.resolved_content
        seen = set()
        for name in self._visited():
            for key, value in resolved.items():
                if (key == name or key.startswith(f"{name}::")) and key not in seen:
                    seen.add(key)
                    yield value

    def _visited(self) -> list[str]:
        """The ids that the stage refers to, itself first."""
        found: dict[str, None] = {}
        waiting = [self.root]
        while waiting:
            name = waiting.pop()
            if name in found or name not in self.parser or _is_uninfluential(name):
                continue
            found[name] = None
            for path, raw in self._walk(self.parser[name], name):
                # Of an expression with a plain value nothing counts but that value.
                if isinstance(raw, str) and self._value(path, raw) is None:
                    waiting += ReferenceResolver.match_refs_pattern(raw)
        return list(found)

    def _leaves(self) -> Iterator[tuple[str, Any]]:
        for name in self._visited():
            for path, raw in self._walk(self.parser[name], name):
                plain = self._value(path, raw)
                yield path, self._located(raw if plain is None else plain[0])

    def _walk(self, value: Any, path: str) -> Iterator[tuple[str, Any]]:
        """Every leaf below a configuration with its path, as it is written; of what is switched off, the switch."""
        if _is_uninfluential(path) or (isinstance(value, dict) and value.get("_target_") == TRACKER):
            return
        if isinstance(value, dict) and "_disabled_" in value:
            switch = f"{path}::_disabled_"
            if (self._value(switch, value["_disabled_"]) or (value["_disabled_"],))[0] is True:
                yield switch, True
                return
        pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
        if not pairs:
            yield path, value  # an empty list or dict is a leaf
        for key, item in pairs:
            yield from self._walk(item, f"{path}::{key}")

    def _value(self, path: str, raw: Any) -> tuple[Any] | None:
        """The plain value that an expression was resolved to, in a tuple, or ``None`` for all else."""
        resolved = self.parser.ref_resolver.resolved_content
        is_expression = isinstance(raw, str) and raw.startswith("$")
        return _plain(resolved[path]) if is_expression and path in resolved else None

    def _located(self, value: Any) -> Any:
        if isinstance(value, dict):
            return {key: self._located(item) for key, item in value.items()}
        if isinstance(value, list):
            return [self._located(item) for item in value]
        if not isinstance(value, str) or os.sep not in value or value.startswith("$"):
            return value
        path = Path(value)
        if path.is_absolute() and path.is_relative_to(self.run_dir):
            return f"run_dir/{path.relative_to(self.run_dir).as_posix()}"
        if path.is_file() or (path.is_absolute() and path.exists()):
            return of_path(path)
        return value


def callers() -> list[object]:
    """What the functions on the stack are methods of, the innermost first."""
    found = []
    frame = inspect.currentframe()
    while frame is not None:
        found.append(frame.f_locals.get("self"))
        frame = frame.f_back
    return found


def _is_uninfluential(path: str) -> bool:
    return not UNINFLUENTIAL.isdisjoint(path.split("::"))


def _plain(value: Any) -> tuple[Any] | None:
    """A value that JSON can hold, in a tuple, or ``None`` for all else."""
    if value is None or isinstance(value, bool | int | float | str):
        return (value,)
    if isinstance(value, torch.dtype):
        return (str(value),)
    if isinstance(value, Path):
        return (str(value),)
    if isinstance(value, list | tuple | range):
        parts = [_plain(item) for item in value]
        return None if None in parts else ([part[0] for part in parts if part is not None],)
    if isinstance(value, dict):
        items = {str(key): _plain(item) for key, item in value.items()}
        return None if None in items.values() else ({key: item[0] for key, item in items.items() if item},)
    return None
