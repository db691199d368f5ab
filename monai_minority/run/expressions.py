"""Overlays from outside that set values and run no programs."""

from collections.abc import Iterator, Sequence
from typing import Any

from monai_minority.run.bundle import Bundle, load, shipped_bundles


def refuse_programs(bundle: Bundle, overlays: Sequence[str]) -> None:
    """See that overlays which did not come with the package hold values alone.

    MONAI evaluates texts that begin with ``$`` as Python, calls what ``_target_`` names, and reads the files that ``%``
    names. Refused are ``$`` and ``%``, and every ``_target_`` that is in no configuration of a bundle that came with
    the package.

    Raises:
        ValueError: a file would run a program; file and key are named.

    Example:
        >>> import tempfile
        >>> from pathlib import Path
        >>> from monai_minority.run.bundle import Bundle
        >>> from monai_minority.run.expressions import refuse_programs
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     mine = Path(folder) / "mine.yaml"
        ...     size = mine.write_text("image_size: 64")
        ...     refuse_programs(Bundle("brain_mri"), ["phantom", str(mine)])
    """
    shipped = [path.resolve() for path in shipped_bundles()]
    own = [file for folder in shipped for file in folder.rglob("configs/**/*.yaml")]
    known = {text for file in own for key, text in _texts(load(file)) if key.endswith("_target_")}
    files = [bundle.overlay(name) for name in overlays]
    if bundle.path not in shipped:
        folders, endings = (bundle.configs, bundle.shared), ("*.yaml", "*.json")
        files += [file for folder in folders for ending in endings for file in folder.rglob(ending)]
    for file in files:
        if any(file.resolve().is_relative_to(folder) for folder in shipped):
            continue
        for key, text in _texts(load(file)):
            if text.startswith(("$", "%")) or (key.endswith("_target_") and text not in known):
                raise ValueError(
                    f"{file} would run a program: {key} is {text!r}; read the file, and give it without "
                    "--no-expressions if you trust it"
                )


def _texts(value: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """Every text of a nested configuration, keys with ``$`` included, by its path."""
    if isinstance(value, str):
        yield path, value.strip()
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from _texts(item, f"{path}::{key}".removeprefix("::"))
    elif isinstance(value, list):
        for number, item in enumerate(value):
            yield from _texts(item, f"{path}::{number}")
