"""Runs of the smallest phantom cohort, each forked from a process that has imported all libraries."""

import codecs
import contextlib
import multiprocessing
import os
import resource
import signal
import sys
import time
from pathlib import Path

SETTINGS = [
    "num_subjects=48",
    "reference_size=5",
    "further_spaces=[]",
    "extractor={_target_: monai_minority.evaluation.features.Thumbnail}",
    "sample_sets={unguided: {target_classes: [], images_per_class: 6}, guided: {}}",
]
START = multiprocessing.get_context("forkserver")
"""Each run is forked from a process that has imported all libraries: it works at once, and is killed as any other."""


class Run:
    """``monai-minority run`` on the phantom cohort, or on that of a folder.

    Attributes:
        output: what it printed, at its end.
        peak: its largest memory in bytes, where it was not killed.
    """

    def __init__(
        self,
        run_dir: Path,
        *arguments: str,
        cohort: Path | None = None,
        logs: Path | None = None,
        user: int | None = None,
    ) -> None:
        own = ["--dataset-dir", str(cohort)] if cohort else ["--overlay", "phantom", *SETTINGS]
        given = ["monai-minority", "run", *own, "--overlay", "smoke", "--run-dir", str(run_dir), *arguments]
        self._log = (logs or run_dir.parent) / f".{run_dir.name}-{time.monotonic_ns()}.log"
        run_dir.parent.mkdir(parents=True, exist_ok=True)
        self.process = START.Process(target=_inside, args=(given, str(self._log), user))
        self.process.start()
        self.output, self.peak = "", 0

    def wait(self, timeout: float | None = None) -> int | None:
        """Its status, ``None`` if it runs on, below 0 the signal that ended it."""
        self.process.join(timeout)
        if self.status is not None and self._log.exists():
            self.output = self._log.read_text(encoding="utf-8", errors="replace")
            self._log.unlink()
            last = self.output.rstrip().rpartition("\n")[2]
            self.peak = int(last.removeprefix("peak ")) if last.startswith("peak ") else 0
        return self.status

    @property
    def status(self) -> int | None:
        return self.process.exitcode

    @property
    def error(self) -> str:
        lines = [line for line in self.output.splitlines() if line.startswith("Error:")]
        return lines[-1] if lines else f"status {self.status}: {self.output[-300:]}"

    def kill(self, number: int = signal.SIGKILL) -> None:
        with contextlib.suppress(ProcessLookupError):  # it has just ended
            os.kill(int(self.process.pid or 0), number)

    @property
    def seconds(self) -> float:
        """Of computing so far: moments by the clock would depend on what else the machine does."""
        try:
            text = Path(f"/proc/{self.process.pid}/stat").read_text(encoding="ascii", errors="replace")
        except OSError:
            return 0.0
        return sum(map(int, text.rpartition(")")[2].split()[11:13])) / os.sysconf("SC_CLK_TCK")


def _inside(arguments: list[str], log: str, user: int | None) -> None:
    """What a forked process does, as another user where one is given."""
    opened = os.open(log, os.O_CREAT | os.O_WRONLY | os.O_TRUNC)
    os.dup2(opened, 1)
    os.dup2(opened, 2)
    if user is not None:
        codecs.lookup("utf-8-sig")  # Python's own folder may be closed to that user
        os.setgroups([])
        os.setgid(user)
        os.setuid(user)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    from monai_minority.cli import main as command

    sys.argv = arguments
    try:
        command()
    finally:
        print(f"\npeak {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024}", flush=True)


def run(
    run_dir: Path, *arguments: str, cohort: Path | None = None, patience: float | None = None, user: int | None = None
) -> Run:
    started = Run(run_dir, *arguments, cohort=cohort, user=user)
    if started.wait(patience) is None:
        started.kill()
        started.wait()
    return started
