"""Which stage wrote a file of a run, when, and its SHA-256, which readers check.

A folder with a file :data:`LOG` keeps this for all files below it. Each line of the log is a JSON object. A line with a
digest is appended before a file is put in its place, and a line without one after it. A process that is killed in
between leaves the old file or the new one, and both are accepted.
"""

import csv
import errno
import hashlib
import json
import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from pickle import UnpicklingError
from typing import Any, NamedTuple
from zipfile import BadZipFile

LOG = "written.jsonl"
_AT_WORK = {"stage": "", "config": ""}
_ASKED = [True]
_UNREADABLE = (ValueError, TypeError, LookupError, EOFError, OSError, RuntimeError, UnpicklingError, BadZipFile)


class DamagedFile(ValueError):
    """A file of a run is not what was written, or cannot be read. The message names the file and the remedy."""


class Entry(NamedTuple):
    """What the log says of a file."""

    accepted: tuple[str, ...]
    """SHA-256 of the contents it may have."""
    stage: str
    config: str
    """Name of the stage's configuration, which ``--stage`` takes."""
    written: str
    columns: Mapping[str, str]
    """Digests of a table's columns, where it has any."""


_State = tuple[int, int, int, int]
_logs: dict[Path, tuple[_State, dict[str, Entry]]] = {}
_digests: dict[Path, tuple[_State, str]] = {}


@contextmanager
def authored(stage: str, config: str) -> Iterator[None]:
    """Name the stage at work, for all files written meanwhile."""
    before = dict(_AT_WORK)
    _AT_WORK.update(stage=stage, config=config)
    try:
        yield
    finally:
        _AT_WORK.update(before)


@contextmanager
def whole_run(every_stage: bool) -> Iterator[None]:
    """Say whether all stages run in turn. Then no stage was asked for by name, and none replaces an edited file."""
    before, _ASKED[0] = _ASKED[0], not every_stage
    try:
        yield
    finally:
        _ASKED[0] = before


def is_asked() -> bool:
    """Whether the stage at work was asked for by its name."""
    return _ASKED[0]


def begin_log(folder: Path) -> None:
    """Keep a log in a folder from now on. One that is there is shortened to the last word on each file."""
    path = folder / LOG
    if not path.exists():
        path.touch()
        return
    kept = {name: entry for name, entry in _entries(path).items() if (folder / name).exists()}
    with path.open("rb") as opened:
        shared = os.fstat(opened.fileno()).st_nlink > 1  # with a copy of the run by hard links, whose log it is too
        if not shared and sum(1 for _ in opened) <= 10 * len(kept) + 1000:
            return
    partial = path.with_suffix(".new")
    lines = (_line(name, digest, entry) for name, entry in kept.items() for digest in entry.accepted[::-1])
    partial.write_text("".join(lines))
    wait_for_disk(partial)
    partial.replace(path)


@contextmanager
def sealing(path: Path, content: Path, keep: bool = False, private: bool = False) -> Iterator[None]:
    """Log that ``content`` is put in the place of ``path``; the body does that. Hidden files are not logged.

    Args:
        path: the file.
        content: the file that replaces it.
        keep: it stays the result of the stage that made it, although another changes it.
        private: it names patients, so that no digest of a column is logged: few names could be found by trying.
    """
    log = _log_of(path)
    name = "" if log is None else _name(path, log)
    if log is None or any(part.startswith(".") for part in name.split("/")):
        yield
        return
    config = _AT_WORK["config"]
    if keep and (before := _entries(log).get(name)):
        config = before.config
    digest = sha256_of(content)
    written = time.strftime("%Y-%m-%d %H:%M:%S %z")
    columns = _columns(content) if path.suffix == ".csv" and not private else {}
    entry = Entry((digest,), _AT_WORK["stage"], config, written, columns)
    _append(log, _line(name, digest, entry), synced=True)
    yield
    _append(log, json.dumps({"path": name, "whole": True}) + "\n", synced=False)
    _digests.pop(_absolute(content), None)
    if path.is_file():
        _digests[_absolute(path)] = state_of(path), digest


def check_sealed(path: str | os.PathLike[str]) -> None:
    """See that a file is what was written. Nothing is known of files outside of runs, and they pass.

    The file is hashed at the first check of a process, and again only after it has changed.

    Raises:
        DamagedFile: its content is another one.
    """
    path = Path(path)
    log = _log_of(path)
    if log is None or not path.is_file():
        return
    name = _name(path, log)
    if name not in _entries(log):
        return
    for _ in range(5):  # another process may be replacing it
        digest = sha256_of(path)
        entry = _entries(log)[name]
        if digest in entry.accepted:
            return
        time.sleep(0.02)
    raise DamagedFile(f"{path} is not {as_written(path)}{_difference(path, entry)}; {remedy(path)}")


@contextmanager
def reading(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Check a file and read it in the body; what goes wrong there names the file and the remedy.

    Raises:
        FileNotFoundError: it is not there.
        DamagedFile: it is not what was written, or the body could not read it.

    Example:
        >>> import json, tempfile
        >>> from pathlib import Path
        >>> from monai_minority.files import reading
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = Path(folder) / "classes.json"
        ...     size = path.write_text('{"num_classes": 3}')
        ...     with reading(path) as file:
        ...         json.loads(file.read_text())
        {'num_classes': 3}
    """
    path = Path(path)
    if path.exists() and not path.is_file():
        raise DamagedFile(f"{path} is no file; move it away, and {remedy(path, editable=False)}")
    check_sealed(path)
    try:
        yield path
    except (DamagedFile, FileNotFoundError, MemoryError):
        raise
    except _UNREADABLE as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise DamagedFile(f"{path} cannot be read ({reason}); {remedy(path)}") from error


def read_checked(read: Callable[..., Any], path: str | os.PathLike[str], **options: Any) -> Any:
    """What a function reads from a file, as in :func:`reading`.

    Raises:
        FileNotFoundError: it is not there.
        DamagedFile: it is not what was written, or cannot be read.

    Example:
        >>> import tempfile
        >>> from pathlib import Path
        >>> from monai_minority.files import read_checked
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     size = Path(folder, "note.txt").write_text("two words")
        ...     read_checked(Path.read_text, f"{folder}/note.txt", encoding="utf-8")
        'two words'
    """
    with reading(path) as checked:
        return read(checked, **options)


def accept_as_it_is(path: Path, judge: Callable[[dict[str, str]], None]) -> list[str]:
    """Log the present content of a file as what it should be.

    Args:
        path: the file, which is in a log.
        judge: gets the digests of its columns, and raises where they will not do.

    Returns:
        What has changed: names of columns, or ``the whole file``.
    """
    entry = entry_of(path)
    if entry is None or sha256_of(path) in entry.accepted:
        return []
    now = _columns(path) if entry.columns else {}
    judge(now)
    with authored(entry.stage, entry.config), sealing(path, path):
        pass
    return [name for name in {**entry.columns, **now} if entry.columns.get(name) != now.get(name)] or ["the whole file"]


def as_written(path: Path) -> str:
    """Who wrote a file, and when, as far as it is known."""
    entry = entry_of(path) or entry_of(path.with_name("store.json"))
    if entry is None:
        return "as it was written"
    return f"as {f'stage {entry.stage} wrote it' if entry.stage else 'it was written'} on {entry.written}"


def remedy(path: Path, editable: bool = True) -> str:
    """What to do about a file that is damaged. Pixels are not logged: they belong to their store."""
    entry = entry_of(path)
    if entry is None and (entry := entry_of(path.with_name("store.json"))):
        editable = False
    again = f"--stage {entry.config} makes it anew" if entry and entry.config else "run the stage that writes it again"
    if entry is None:
        return f"{again}, or take it from where it came from"
    if not editable:
        return again
    return f"{again}; if the edit is meant, `monai-minority accept {path}` takes it as it is"


def entry_of(path: Path) -> Entry | None:
    """What the nearest log says of a file."""
    log = _log_of(path)
    return None if log is None else _entries(log).get(_name(path, log))


def sha256_of(path: Path) -> str:
    """SHA-256 of a file in hexadecimal, computed once for each state of the file."""
    path = _absolute(path)
    found = state_of(path)
    if path in _digests and _digests[path][0] == found:
        return _digests[path][1]
    with path.open("rb") as opened:
        digest = hashlib.file_digest(opened, "sha256").hexdigest()
    _digests[path] = found, digest
    return digest


def _difference(path: Path, entry: Entry | None) -> str:
    """Which columns of a table are others."""
    if entry is None or not entry.columns:
        return ""
    found = _columns(path)
    changed = [name for name in {**entry.columns, **found} if entry.columns.get(name) != found.get(name)]
    return f" (other values, or another order, in {', '.join(changed)})" if changed else " (written in another form)"


def _columns(path: Path) -> dict[str, str]:
    """The first digits of the SHA-256 of each column of a CSV file, as text in the order of the rows."""
    try:
        with path.open(encoding="utf-8", newline="") as opened:
            rows = csv.reader(opened)
            names = next(rows, [])
            digests = [hashlib.sha256() for _ in names]
            for row in rows:
                for digest, value in zip(digests, row, strict=True):
                    digest.update(value.encode() + b"\0")
    except (OSError, ValueError, csv.Error):
        return {}
    return {name: digest.hexdigest()[:16] for name, digest in zip(names, digests, strict=True)}


def _absolute(path: Path) -> Path:
    """Without ``..``, and with links as they are: a linked store counts where it is linked."""
    return Path(os.path.normpath(path.absolute()))


def _log_of(path: Path) -> Path | None:
    for folder in _absolute(path).parents:
        if (folder / LOG).is_file():
            return folder / LOG
    return None


def _name(path: Path, log: Path) -> str:
    return _absolute(path).relative_to(log.parent).as_posix()


def _entries(log: Path) -> dict[str, Entry]:
    found = state_of(log)
    if log in _logs and _logs[log][0] == found:
        return _logs[log][1]
    entries: dict[str, Entry] = {}
    for line in log.read_text(encoding="utf-8", errors="replace").splitlines():
        try:
            said = json.loads(line)
            name = said["path"]
            before = entries.get(name)
            if "sha256" in said:
                accepted = (said["sha256"], *(before.accepted if before else ()))
                entries[name] = Entry(accepted, said["stage"], said["config"], said["written"], said["columns"])
            elif before:
                entries[name] = before._replace(accepted=before.accepted[:1])
        except (ValueError, TypeError, LookupError, RecursionError):
            continue  # half a line, of a process that was killed
    _logs[log] = found, entries
    return entries


def _line(name: str, digest: str, entry: Entry) -> str:
    said: dict[str, Any] = {"path": name, "sha256": digest, "stage": entry.stage, "config": entry.config}
    return json.dumps(said | {"written": entry.written, "columns": dict(entry.columns)}, ensure_ascii=True) + "\n"


def _append(log: Path, line: str, synced: bool) -> None:
    """Add a line in one write, after the end of a line that a killed process left half."""
    with log.open("ab+") as opened:
        end = opened.seek(0, os.SEEK_END)
        if end:
            opened.seek(end - 1)
            line = line if opened.read(1) == b"\n" else "\n" + line
        opened.write(line.encode())
        opened.flush()
        if synced:
            os.fsync(opened.fileno())


def state_of(path: Path) -> _State:
    """Inode, size and times of a file: another state may be another content."""
    found = path.stat()
    return found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns


def wait_for_disk(path: Path) -> None:
    """Wait until a file, or the names in a folder, are on the disk."""
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except PermissionError:  # a folder, on Windows
        return
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):
            raise
    finally:
        os.close(descriptor)
