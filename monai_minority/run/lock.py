"""One process at a time writes into a run folder."""

import _thread
import json
import os
import secrets
import shlex
import signal
import socket
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

from monai_minority.files import clear_leftovers, exclusive
from monai_minority.files.seals import LOG, begin_log
from monai_minority.files.whole import is_running
from monai_minority.run.distributed import is_main

LOCK = "run.lock"
HEARTBEAT_SECONDS = 5.0
PATIENCE_SECONDS = 40.0
"""How long the heartbeat of an owner elsewhere may be silent until it is taken for dead."""

_held: dict[str, "_Lock"] = {}


class RunInUse(RuntimeError):
    """Another process writes into the run folder. The message says which.

    Example:
        >>> from monai_minority.run import RunInUse
        >>> issubclass(RunInUse, RuntimeError)
        True
    """


@contextmanager
def owned(run_dir: str | os.PathLike[str]) -> Iterator[None]:
    """Own a run folder in the body: no other process writes into it. Readers need no lock.

    The owner is named in ``run.lock`` with machine, process and command, and shows that it lives by touching that file.
    The lock of a dead owner is taken over. On the same machine an owner is dead if its process has ended, even if its
    number is another process's by now. Elsewhere, such as in another container or on a network disk, it is dead if the
    file is not touched any more. What dead processes left half written is cleared away.

    In a distributed run the first process owns the folder for all. The lock may be taken again in the body.

    Raises:
        RunInUse: another process owns it.
        OSError: the folder cannot be written.
        ValueError: what lies in it is no file of a run, and a run would replace it.

    Example:
        >>> import tempfile
        >>> from pathlib import Path
        >>> from monai_minority.run import owned
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     with owned(folder):
        ...         sorted(path.name for path in Path(folder).iterdir())
        ['run.lock', 'written.jsonl']
    """
    folder = Path(run_dir)
    key = os.path.realpath(folder)
    if key in _held or not is_main():
        yield
        return
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for path in (folder / LOCK, folder / LOG):
            if os.path.lexists(path) and not path.is_file():  # a pipe would never answer
                raise ValueError(f"{path} must be a file; move away what is there")
        if (folder / "cohort.csv").exists() and not any((folder / name).exists() for name in (LOG, "cohort.key")):
            raise ValueError(
                f"{folder / 'cohort.csv'} is no table of a run, and would be replaced by one; give a run a folder of "
                "its own, such as --run-dir runs/mine"
            )
        lock = _Lock(folder / LOCK)
        lock.take()
    except OSError as error:
        raise type(error)(
            error.errno,
            f"run_dir must be a folder that this user can write, got {folder} ({error.strerror}); give another, such "
            "as --run-dir runs/mine",
        ) from error
    _held[key] = lock
    try:
        for name in ("cohort.csv", "rejected.csv"):  # with names of patients, of versions before 0.3
            for left in folder.glob(f".[0-9]*-{name}"):
                left.unlink()
        if (folder / LOG).is_file():  # a folder of a run, and not one with other things
            clear_leftovers(folder, owned=True)
        begin_log(folder)
        yield
    finally:
        del _held[key]
        lock.release()


class _Lock:
    def __init__(self, path: Path) -> None:
        self.path = path
        self.token = secrets.token_hex(8)
        self._ended = threading.Event()

    def take(self) -> None:
        silent: tuple[str, int] | None = None  # the owner that has been silent, and when it last was heard
        while True:
            with self._file():
                owner = _owner(self.path)
                heard = (owner.get("token", ""), self.path.stat().st_mtime_ns)
                lives = bool(owner) and heard != silent and _lives(owner)
                if not owner or lives is False or heard == silent:
                    self.path.write_text(json.dumps(self._described()) + "\n", encoding="utf-8")
                    break
            if lives is True:
                raise RunInUse(_told(self.path.parent, owner))
            silent = self._watch(owner, heard)
        threading.Thread(target=self._beat, daemon=True, name="run.lock").start()

    def release(self) -> None:
        self._ended.set()
        with suppress(OSError), self._file():
            if _owner(self.path).get("token") == self.token:
                self.path.unlink()

    @contextmanager
    def _file(self) -> Iterator[None]:
        """The file is there, and no other process looks at it or changes it."""
        while True:
            os.close(os.open(self.path, os.O_CREAT | os.O_RDWR, 0o666))  # without the sign of life that touch() gives
            with ExitStack() as stack:
                try:
                    inode = self.path.stat().st_ino
                    stack.enter_context(exclusive(self.path))
                    same = self.path.stat().st_ino == inode
                except FileNotFoundError:  # its last owner has removed it meanwhile
                    continue
                if same:
                    yield
                    return

    def _watch(self, owner: dict[str, Any], heard: tuple[str, int]) -> tuple[str, int]:
        """Wait for a sign of life; without one the owner is dead."""
        print(
            f"{_told(self.path.parent, owner, False)}; waiting {PATIENCE_SECONDS:.0f} s for a sign of life", flush=True
        )
        end = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < end:
            time.sleep(min(1.0, PATIENCE_SECONDS / 4))
            try:
                with self.path.open("rb") as opened:  # opened anew: network disks answer from memory otherwise
                    now = os.fstat(opened.fileno()).st_mtime_ns
            except FileNotFoundError:
                return heard
            if now != heard[1]:
                raise RunInUse(_told(self.path.parent, owner))
        return heard

    def _beat(self) -> None:
        while not self._ended.wait(HEARTBEAT_SECONDS):
            try:
                owner = _owner(self.path)
                if owner.get("token") == self.token:
                    os.utime(self.path)
            except OSError:
                continue  # a disk that is away for a while, or a folder that was deleted: the stage will say it
            if owner and owner["token"] != self.token and not self._ended.is_set():
                print(f"{self.path.parent} was taken over by another process; this one stops", file=sys.stderr)
                if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # as of what a script starts in the background
                    os.kill(os.getpid(), signal.SIGTERM)
                _thread.interrupt_main()
                return

    def _described(self) -> dict[str, Any]:
        return {
            "host": socket.gethostname(),
            "process": os.getpid(),
            "command": shlex.join([Path(sys.argv[0]).name, *sys.argv[1:2]]),  # what follows may name patients' folders
            "began": time.strftime("%Y-%m-%d %H:%M:%S %z"),
            "machine": _machine(),
            "process_began": _began(os.getpid()),
            "token": self.token,
        }


def _owner(path: Path) -> dict[str, Any]:
    """What the lock says; nothing where it is being made."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _lives(owner: dict[str, Any]) -> bool | None:
    """Whether the owner's process runs; ``None`` if that cannot be seen from here."""
    pid = int(owner.get("process", 0))
    if owner.get("machine") is None or owner["machine"] != _machine():
        return None
    return is_running(pid) and _began(pid) == owner.get("process_began")


def _machine() -> str | None:
    """This start of this machine and this space of process numbers, where the system tells."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        return f"{boot} {Path('/proc/self/ns/pid').readlink()}"
    except OSError:
        return None


def _began(pid: int) -> str | None:
    """When a process began, in clock ticks since the machine did; ``None`` if it has ended."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    state = text.rpartition(")")[2].split()
    return None if state[0] in "ZX" else state[19]


def _told(folder: Path, owner: dict[str, Any], lives: bool = True) -> str:
    who = f"process {owner.get('process')} on {owner.get('host')} since {owner.get('began')} ({owner.get('command')})"
    if not lives:
        return f"{folder} was last used by {who}"
    return f"{folder} is in use by {who}; wait for its end, or give another --run-dir"
