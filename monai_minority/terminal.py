"""What the command line says: lines, and errors in one line each."""

import contextlib
import logging
import os
import sys
from collections.abc import Iterator

import typer

from monai_minority.process import STOPPED, number_and_count, stop_status

IN_USE_STATUS = 4
"""Exit status where another process writes into the run folder."""


@contextlib.contextmanager
def clear_errors(debug: bool) -> Iterator[None]:
    """A user's mistake is one line, not a traceback."""
    if not debug:
        quiet_monai()
    if sys.stderr.isatty():
        say("Loading PyTorch and MONAI …", error=True)
    try:
        yield
    except typer.Exit:
        raise
    except KeyboardInterrupt as stop:
        say(STOPPED)
        raise typer.Exit(stop_status(stop)) from None
    except Exception as error:
        if debug:
            raise
        from monai_minority.run.entry import cause
        from monai_minority.run.lock import RunInUse

        say(f"\nError: {cause(error)}\n(--debug shows where)", error=True)
        raise typer.Exit(IN_USE_STATUS if isinstance(error, RunInUse) else 1) from None


def quiet_monai() -> None:
    """Leave out MONAI's summaries, which repeat the command."""
    for name in ("monai.bundle.scripts", "monai.bundle.workflows"):
        logging.getLogger(name).addFilter(_is_warning)


def _is_warning(record: logging.LogRecord) -> bool:
    return record.levelno >= logging.WARNING


def say(text: str, error: bool = False) -> None:
    """Print lines, in the first process alone, without what controls a terminal."""
    if number_and_count()[0] == 0:
        shown = "".join(mark if mark in "\n\t" or mark.isprintable() else "\N{REPLACEMENT CHARACTER}" for mark in text)
        try:
            print(shown, file=sys.stderr if error else sys.stdout, flush=True)
        except BrokenPipeError:  # `… | head` has seen enough; the work goes on
            os.dup2(os.open(os.devnull, os.O_WRONLY), (sys.stderr if error else sys.stdout).fileno())
