"""Settings given over a configuration: each must have a place in it."""

import datetime
from collections.abc import Iterable, Mapping
from typing import Any

from monai_minority.run.bundle import name_hint, read_numbers

PATHS = ("_dir", "_path")
"""How the names of settings end that are paths."""

ROOTS = ("stage", "run", "initialize", "finalize")
"""What of a configuration MONAI runs; all that these do not refer to has no effect."""


def parse(text: str) -> tuple[str, Any]:
    """Name and value of ``KEY=VALUE``, the value as YAML.

    Raises:
        ValueError: it is of another form.
    """
    import yaml

    read_numbers()
    key, separator, value = text.partition("=")
    if not separator or not key:
        raise ValueError(f"overrides must be KEY=VALUE, got {text!r}")
    try:
        parsed = yaml.safe_load(value)
    except yaml.YAMLError:
        raise ValueError(f"the value of an override must be YAML, got {text!r}; put text in quotes") from None
    if key.endswith(PATHS) and isinstance(parsed, str | int | float | datetime.date):
        return key, parsed if isinstance(parsed, str) else value.strip()  # a folder may be called 2024
    return key, "$None" if parsed is None else parsed  # MONAI takes None for one that was not given


def place(parser: Any, overrides: Mapping[str, Any]) -> dict[str, Any]:
    """Put into a configuration the overrides that it has a place for: MONAI refuses the others. Returns them."""
    placed = {}
    for key, value in overrides.items():
        if stray(parser.config, key) is None:
            parser[key] = placed[key] = _literal(value)
    return placed


def _literal(value: Any) -> Any:
    """A text as MONAI shall take it: it reads ``#`` as ``::``, in paths too.

    >>> _literal("/data/ward #3"), _literal("$[1]")
    ("$'/data/ward \\\\x233'", '$[1]')
    """
    if not isinstance(value, str) or "#" not in value or value.startswith(("$", "@", "%")):
        return value
    return "$" + repr(value).replace("#", "\\x23")


def check_places(overrides: Mapping[str, Any], parsers: Iterable[Any], of: str = "override ") -> None:
    """See that every override has a place in one of the configurations, and put it there.

    Args:
        overrides: values by name, ``a::b`` for a part of ``a``.
        parsers: of the stages that get them.
        of: what to put before a name in a message, such as ``methods::mine::``.

    Raises:
        ValueError: one has none; the nearest name is given. Or it is text in the place of a number.
    """
    parsers = list(parsers)
    for key, value in overrides.items():
        root = key.split("::")[0]
        strays = [stray(parser.config, key) for parser in parsers if root in parser.config]
        if not strays:
            known = {name for parser in parsers for name in parser.config}
            hint = name_hint(root, known, "see the bundle's configs")
            raise ValueError(f"{of}{key} is in no configuration of the pipeline; {hint}")
        if all(strays):
            whole, part, parts = max(filter(None, strays), key=lambda found: len(found[0]))
            hint = name_hint(part, parts, f"it has {', '.join(parts) or 'no parts'}")
            raise ValueError(f"{of}{key} must be a path in the configuration, {whole} has no {part}; {hint}")
        plain = isinstance(value, str) and value != "auto" and not value.startswith(("$", "@", "%"))
        if plain and any(isinstance(parser.config.get(key), float) for parser in parsers):
            raise ValueError(f"{of}{key} must be a number, got {value!r}; write it as 0.5 or 1e-4")
        for parser in parsers:
            place(parser, {key: value})


def check_used(overrides: Iterable[str], parsers: Iterable[Any]) -> None:
    """See that every override is of a setting that a stage refers to.

    Raises:
        ValueError: one is of none: it would change nothing.
    """
    used = {name for parser in parsers for name in reached(parser)}
    for key in overrides:
        root = key.split("::")[0]
        if root not in used:
            raise ValueError(
                f"override {key} would change nothing: no stage of this command uses {root}; leave it out, or add the "
                "stage that does"
            )


def reached(parser: Any, roots: Iterable[str] = ROOTS) -> set[str]:
    """The settings, by their first names, that a configuration refers to from its roots."""
    found: set[str] = set()
    waiting = [root for root in roots if root in parser.config]
    while waiting:
        name = waiting.pop()
        if name in found or name not in parser.config:
            continue
        found.add(name)
        waiting += references(parser.config[name])
    return found


def references(value: Any) -> Iterable[str]:
    """The settings, by their first names, that the texts of a nested configuration refer to.

    >>> list(references({"steps": "$2 * @epochs", "parts": ["@sizes::0", 3]}))
    ['epochs', 'sizes']
    """
    from monai.bundle.reference_resolver import ReferenceResolver

    if isinstance(value, str):
        yield from (found.split("::")[0] for found in ReferenceResolver.match_refs_pattern(value))
    elif isinstance(value, Mapping | list):
        for item in value.values() if isinstance(value, Mapping) else value:
            yield from references(item)


def stray(config: Any, path: str) -> tuple[str, str, list[str]] | None:
    """The first part of ``a::b::c`` that is not there: of what, itself and the parts there are.

    A dict can get new parts, so the last may be missing in one.
    """
    parts = path.split("::")
    for depth, part in enumerate(parts):
        names = list(config) if isinstance(config, dict) else list(map(str, range(len(config))))
        if part not in names:
            is_new = isinstance(config, dict) and depth == len(parts) - 1
            return None if is_new else ("::".join(parts[:depth]), part, names)
        config = config[part if isinstance(config, dict) else int(part)]
        if not isinstance(config, dict | list):
            config = ()  # a plain value has no parts
    return None
