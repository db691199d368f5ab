"""Progress of long work: a bar on a terminal or in a notebook, a line now and then in a log file."""

import sys
from collections.abc import Iterable
from typing import Any, TextIO

from tqdm.auto import tqdm

SECONDS_A_LINE = 30.0
"""How often a line is written where there is no terminal."""


class _Lines:
    """A stream for tqdm that writes whole lines, without carriage returns and blanks that would erase a bar."""

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream
        self.last = ""

    def write(self, text: str) -> None:
        line = text.replace("\r", "").strip()
        if line and line != self.last:
            self.last = line
            self.stream.write(line + "\n")
            self.stream.flush()

    def flush(self) -> None:
        self.stream.flush()


def progress_bar(
    iterable: Iterable[Any] | None = None,
    desc: str | None = None,
    total: int | None = None,
    *,
    initial: int = 0,
    unit: str = "it",
    enabled: bool = True,
) -> tqdm:
    """A tqdm bar, of what takes longer than a second. If standard error is neither a terminal nor a notebook, it writes
    a line every 30 s instead, and none for what is done before.

    Args:
        iterable: what to go through, or ``None`` to call ``update``.
        desc: text in front.
        total: number of steps; ``None`` takes the length of ``iterable``.
        initial: steps done before.
        unit: name of a step.
        enabled: ``False`` shows nothing.

    Example:
        >>> from monai_minority.progress import progress_bar
        >>> sum(progress_bar([1, 2, 3], "adding", enabled=False))
        6
    """
    shown: dict[str, Any] = {"delay": 1.0}
    if not (sys.stderr.isatty() or "ipykernel" in sys.modules):
        # Without a bar a log has no line that is longer than it must be.
        form = "{desc}: {percentage:3.0f}% {n_fmt}/{total_fmt} [{elapsed}<{remaining}, {rate_fmt}{postfix}]"
        shown = {"file": _Lines(sys.stderr), "bar_format": form}
        shown |= dict.fromkeys(("delay", "mininterval", "maxinterval"), SECONDS_A_LINE)
    return tqdm(iterable, desc, total, initial=initial, unit=unit, disable=not enabled, dynamic_ncols=True, **shown)
