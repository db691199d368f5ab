"""How a run is stopped from outside: by Ctrl-C, or by SIGTERM, as schedulers and ``docker stop`` send it."""

import os
import signal
from types import FrameType

STOPPED = "\nStopped. The same command goes on where it was."


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
