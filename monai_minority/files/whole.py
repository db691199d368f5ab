"""Files and folders that are either whole or absent."""

import contextlib
import errno
import os
import re
import secrets
import shutil
import socket
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from monai_minority.files.seals import sealing, wait_for_disk

_TOKEN = secrets.token_hex(4)
"""Of this process: a process number may have been another's before."""

_FULL = (errno.ENOSPC, errno.EDQUOT)

_LEFTOVER = re.compile(r"\.(partial|replaced)-(.+)-(\d+)-([0-9a-f]{8})-(.+)", re.DOTALL)


@contextmanager
def whole_file(
    path: str | os.PathLike[str], mode: int | None = None, *, synced: bool = True, keep: bool = False
) -> Iterator[Path]:
    """Write ``path`` through a temporary file that replaces it at the end, or is removed after an error.

    A reader finds the old file or the new one, never half of one, even if the process is killed or the power fails. In
    a run folder the file's SHA-256 is logged, which :func:`~monai_minority.files.reading` compares.

    Args:
        path: the file. Its folder is created, and an existing file is replaced.
        mode: permissions from the first byte on, such as ``0o600`` for names of patients; ``None`` for the umask's.
        synced: wait until the file is on the disk.
        keep: it stays the result of the stage that made it, although another changes it.

    Yields:
        The temporary file: hidden, in the same folder, with the same ending.

    Raises:
        OSError: it cannot be written. On a full disk the message says so, whatever the library said that wrote it.

    Example:
        >>> import tempfile
        >>> from pathlib import Path
        >>> from monai_minority.files import whole_file
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = Path(folder) / "table.csv"
        ...     with whole_file(path) as partial:
        ...         size = partial.write_text("score")
        ...         before = path.exists()
        ...     before, path.read_text()
        (False, 'score')
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = _beside(path, "partial")
    try:
        with _told_if_full(path):
            if mode is not None:
                os.close(os.open(partial, os.O_CREAT | os.O_WRONLY | os.O_EXCL, mode))
                partial.chmod(mode)  # whatever the umask
            yield partial
            if synced:
                wait_for_disk(partial)
            with sealing(path, partial, keep, private=mode is not None):
                partial.replace(path)
            if synced:
                wait_for_disk(path.parent)
    finally:
        partial.unlink(missing_ok=True)


def move_whole(path: Path, target: Path) -> None:
    """Rename a file within its folder, also in the log of its run."""
    with sealing(target, path):
        path.replace(target)
    wait_for_disk(path.parent)


@contextmanager
def whole_folder(path: str | os.PathLike[str], sealed: Sequence[str] = ()) -> Iterator[Path]:
    """Write a folder through a temporary one that replaces it at the end, or is removed after an error.

    The old folder is deleted when the new one is in its place. A process killed in between leaves one of them;
    :func:`clear_leftovers` puts an old folder back that was moved away and not replaced.

    Args:
        path: the folder, which is replaced if it is there.
        sealed: names of files in it whose SHA-256 is logged.

    Yields:
        The temporary folder.

    Raises:
        OSError: as for :func:`whole_file`.

    Example:
        >>> import tempfile
        >>> from pathlib import Path
        >>> from monai_minority.files import whole_folder
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     with whole_folder(f"{folder}/export") as partial:
        ...         size = (partial / "a.txt").write_text("one")
        ...     [file.name for file in Path(folder, "export").iterdir()]
        ['a.txt']
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    clear_leftovers(path.parent, of=path.name)
    partial, replaced = _beside(path, "partial"), _beside(path, "replaced")
    partial.mkdir()
    try:
        with _told_if_full(path):
            yield partial
            wait_for_disk(partial)
            with ExitStack() as stack:
                for name in sealed:
                    if (partial / name).is_file():
                        stack.enter_context(sealing(path / name, partial / name))
                if path.exists():
                    path.rename(replaced)
                try:
                    partial.rename(path)
                except OSError:
                    replaced.rename(path)
                    raise
            wait_for_disk(path.parent)
        shutil.rmtree(replaced, ignore_errors=True)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def clear_leftovers(folder: Path, of: str | None = None, owned: bool = False) -> None:
    """Remove what processes that have died left half written, and put back what they had moved away.

    Args:
        folder: where they wrote.
        of: what they were writing; ``None`` for anything.
        owned: no other process writes below the folder, so that all is left over, at any depth.
    """
    with contextlib.suppress(OSError), os.scandir(folder) as entries:
        for entry in sorted(entries, key=lambda entry: entry.name):
            found = _LEFTOVER.fullmatch(entry.name)
            if found and (of is None or found[5] == of) and _is_left(found, owned):
                place = folder / found[5]
                if found[1] == "replaced" and not place.exists():
                    Path(entry.path).rename(place)
                else:
                    _remove(entry)
            elif owned and entry.is_dir(follow_symlinks=False):
                clear_leftovers(Path(entry.path), of, owned)


@contextmanager
def exclusive(path: Path) -> Iterator[None]:
    """Let one process at a time into the body, by a lock on a file that ends with the process.

    Where a file system has no such locks, all get in.
    """
    try:
        import fcntl
    except ImportError:  # Windows
        yield
        return
    with path.open("r+b" if os.access(path, os.W_OK) else "rb") as opened:
        with contextlib.suppress(OSError):
            fcntl.flock(opened, fcntl.LOCK_EX)
        yield


def free_bytes(folder: Path) -> int:
    """Space left on the disk of a folder, which need not be there yet."""
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    return shutil.disk_usage(folder).free


def is_running(pid: int) -> bool:
    """Whether a process of this machine is running."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True


def _beside(path: Path, what: str) -> Path:
    return path.with_name(f".{what}-{socket.gethostname()}-{os.getpid()}-{_TOKEN}-{path.name}")


def _is_left(found: re.Match[str], owned: bool) -> bool:
    """Whether the process that wrote a temporary file has died."""
    _, machine, pid, token, _ = found.groups()
    if token == _TOKEN:  # this process, or one that it forked
        return int(pid) != os.getpid() and not is_running(int(pid))
    return owned or (machine == socket.gethostname() and (int(pid) == os.getpid() or not is_running(int(pid))))


def _remove(entry: os.DirEntry[str]) -> None:
    if entry.is_dir(follow_symlinks=False):
        shutil.rmtree(entry.path, ignore_errors=True)
    else:
        Path(entry.path).unlink()


@contextmanager
def _told_if_full(path: Path) -> Iterator[None]:
    """Libraries say all kinds of things when a write fails, such as ``unexpected pos 1579200``."""
    try:
        yield
    except (OSError, RuntimeError) as error:
        if isinstance(error, OSError) and getattr(error, "told", False):
            raise
        if isinstance(error, OSError) and _LEFTOVER.fullmatch(Path(str(error.filename)).name):
            error.filename = str(path)
        if not (isinstance(error, OSError) and error.errno in _FULL) and not _is_full(path.parent):
            raise
        free = free_bytes(path.parent) / 1e6
        full = OSError(
            errno.ENOSPC,
            f"the disk is full: {path} was not written, and no part of it was left behind; {free:.1f} MB are free in "
            f"{path.parent}; free some space or choose a path on another disk",
        )
        full.told = True  # type: ignore[attr-defined]
        raise full from error


def _is_full(folder: Path) -> bool:
    """Whether a small file cannot be written: quotas show in nothing else."""
    probe = _beside(folder / "space", "partial")
    try:
        with probe.open("wb") as opened:
            opened.write(b"\1" * (256 << 10))
            opened.flush()
            os.fsync(opened.fileno())
    except OSError as error:
        return error.errno in _FULL
    finally:
        with contextlib.suppress(OSError):
            probe.unlink(missing_ok=True)
    return False
