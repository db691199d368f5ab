"""Processes that wait, ready, for their work."""

from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any

from torch import multiprocessing


class Workers:
    """A context in which processes do the same work whenever they are told.

    Args:
        count: how many.
        prepare: gives the work, in each process; a function of a module.
        arguments: of ``prepare``.
    """

    def __init__(self, count: int, prepare: Callable[..., Callable[[], Any]], *arguments: Any) -> None:
        context = multiprocessing.get_context("spawn")
        pipes = [context.Pipe() for _ in range(count)]
        self._pipes = [ours for ours, _ in pipes]
        self._processes = [context.Process(target=_serve, args=(end, prepare, arguments)) for _, end in pipes]

    def __enter__(self) -> "Workers":
        for process in self._processes:
            process.start()
        return self

    def __call__(self, times: int, of: int | None = None) -> None:
        """Have the work done so many times, in turn by the first ``of`` processes, and wait for all."""
        pipes = self._pipes[:of]
        for turn in range(times):
            pipes[turn % len(pipes)].send(True)
        for turn in range(times):
            pipes[turn % len(pipes)].recv()

    def __exit__(self, *_: Any) -> None:
        for pipe, process in zip(self._pipes, self._processes, strict=True):
            pipe.send(False)
            process.join()


def _serve(pipe: Connection, prepare: Callable[..., Callable[[], Any]], arguments: tuple[Any, ...]) -> None:
    work = prepare(*arguments)
    while pipe.recv():
        work()
        pipe.send(True)
