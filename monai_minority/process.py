"""This process: its number among several, and how it is stopped, by Ctrl-C or by a scheduler's SIGTERM."""

import os
import signal
from types import FrameType

STOPPED = "\nStopped. The same command goes on where it was."


def number_and_count() -> tuple[int, int]:
    """Number of this process, and of all that ``torchrun`` started. Where nothing says how many, it is the only one,
    although a variable ``RANK`` may be left of something else.

    Example:
        >>> from monai_minority.process import number_and_count
        >>> number_and_count()
        (0, 1)
    """
    count = int(os.environ.get("WORLD_SIZE", 1))
    return (int(os.environ.get("RANK", 0)), count) if count > 1 else (0, 1)


class Terminated(KeyboardInterrupt):
    """SIGTERM came. Whatever ends in order on Ctrl-C ends in order on this."""


def stop_status(stop: KeyboardInterrupt) -> int:
    """Exit status, as shells have it: 128 and the number of the signal.

    >>> stop_status(KeyboardInterrupt()), stop_status(Terminated())
    (130, 143)
    """
    return 128 + (signal.SIGTERM if isinstance(stop, Terminated) else signal.SIGINT)


def catch_sigterm() -> None:
    """Raise :class:`Terminated` on SIGTERM from now on, where nobody else listens to it. A second one ends the process
    at once, and so does one to a process that this one has forked. Call it in the main thread."""

    def stop(number: int, _: FrameType | None) -> None:
        default()
        raise Terminated

    def default() -> None:
        if signal.getsignal(signal.SIGTERM) is stop:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)

    if signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
        signal.signal(signal.SIGTERM, stop)
        os.register_at_fork(after_in_child=default)
