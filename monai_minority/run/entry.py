"""Checks of ``python -m monai.bundle run``: settings have a place, and errors take one line."""

import errno
import os
import signal
import sys
from pathlib import Path
from types import TracebackType
from typing import Any

from monai.bundle import ConfigParser, ConfigWorkflow

from monai_minority.process import STOPPED, Terminated, catch_sigterm
from monai_minority.run import overrides
from monai_minority.run.bundle import Bundle, load, name_hint
from monai_minority.run.configuration import callers
from monai_minority.run.folder import check_default_place

DEBUG = "MONAI_MINORITY_DEBUG"
"""Environment variable that asks for tracebacks and MONAI's own log lines."""
_NO_RIGHT = "must be a file or folder that this user can read and write; change its rights, or give another run_dir"
_NO_FOLDER = "must be a folder; move away what is there"
_REMEDIES = {
    errno.EACCES: _NO_RIGHT,
    errno.EPERM: _NO_RIGHT,
    errno.EROFS: _NO_RIGHT,
    errno.EEXIST: _NO_FOLDER,
    errno.ENOTDIR: _NO_FOLDER,
    errno.EISDIR: "must be a file; move away what is there",
}
"""What is wrong with a path, by the number of the system's error."""


def check_settings() -> None:
    """Refuse settings that have no place in the bundle whose configuration is calling, for instance mistyped ones.

    A setting has a place if a configuration of the bundle has it at its top, or another setting refers to it. Where
    ``python -m monai.bundle`` is the program, an error of this or of a later step is then told in one line.

    Raises:
        ValueError: a setting has no place; the nearest name is given. Or the run folder has none
            (:func:`~monai_minority.run.folder.check_default_place`).

    Example:
        >>> from monai_minority.run import check_settings
        >>> check_settings()  # nothing to check outside a configuration
    """
    _tell_errors_in_a_line()
    workflow = next((one for one in callers() if isinstance(one, ConfigWorkflow)), None)
    if workflow is None:
        return
    config: dict[str, Any] = workflow.parser.config  # type: ignore[assignment]
    roots = {Path(str(config.get("bundle_root", "."))), Path(workflow.config_root_path).parent}
    bundles = [Bundle(root) for root in sorted(roots) if (root / "configs" / "common.yaml").is_file()]
    if not bundles:
        return
    check_default_place(config)
    files = [file for one in bundles for file in (*one.common(), *one.layers([]), *one.stages.values())]
    files += [file for one in bundles for file in one.overlays.values()]
    known = {key.lstrip("+").split("::")[0] for file in files for key in load(file)}
    known |= {ConfigParser.meta_key, *overrides.references(config)}
    for key, value in config.items():
        if key.endswith(overrides.PATHS) and isinstance(value, int | float) and not isinstance(value, bool):
            raise ValueError(f"{key} must be a path, got the number {value}; write --{key} ./{value}")
        if key not in known:
            hint = name_hint(key, known, "see the bundle's configs")
            raise ValueError(f"setting {key} is in no configuration of the bundle; {hint}")


def cause(error: BaseException) -> str:
    """The message of what was raised outside of MONAI's configurations, which wrap what they meet."""
    while error.__cause__ is not None and _raised_in(error).startswith(("monai.bundle.", "monai.utils.module")):
        error = error.__cause__
    if isinstance(error, OSError) and error.strerror and error.filename is None:
        return error.strerror
    if isinstance(error, OSError) and error.errno in _REMEDIES:
        return f"{error.filename} {_REMEDIES[error.errno]} ({error.strerror})"
    text = str(error.args[0]) if isinstance(error, KeyError) and error.args else str(error)
    return text or type(error).__name__


def _raised_in(error: BaseException) -> str:
    """The module that raised an error."""
    trace, name = error.__traceback__, ""
    while trace is not None:
        name = str(trace.tb_frame.f_globals.get("__name__", ""))
        trace = trace.tb_next
    return name


def _tell_errors_in_a_line() -> None:
    main = getattr(sys.modules.get("__main__"), "__spec__", None)
    if main is not None and main.name == "monai.bundle.__main__" and not os.environ.get(DEBUG):
        sys.excepthook = _tell
        catch_sigterm()


def _tell(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    if issubclass(kind, KeyboardInterrupt):
        print(STOPPED, file=sys.stderr, flush=True)
        if isinstance(error, Terminated):  # of Ctrl-C Python does the same
            signal.raise_signal(signal.SIGTERM)
    else:
        print(f"\nError: {cause(error)}\n({DEBUG}=1 shows where)", file=sys.stderr)
