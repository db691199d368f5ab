"""User-given paths, files in folders, and rejected entries with their reasons."""

import errno
import json
import os
import re
import stat
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import Path

_RESULTS = {
    *("autoencoder", "backbone", "classifier", "comparison", "evaluation", "exports", "features", "filtered"),
    *("latents", "samples", "store", "studies", "tensorboard"),
    *("cohort.csv", "cohort.key", "intensity.json", "rejected.csv", "report.html", "run.json"),
}
"""Names in a run folder before its record is there."""

_IMAGE_ENDING = r"(\.nii|\.hdr)?(\.gz)?$|\.(jpe?g|png|webp|tiff?|bmp|mgz|mgh(\.gz)?|nrrd|nhdr|mha|mhd)$"

PASSED_OVER = "passed over: "
"""How the reason of what is no image of a cohort, and no fault either, begins."""

PathLike = str | os.PathLike[str]


@dataclass(frozen=True)
class Rejection:
    """A rejected file, or a rejected row of a label file, with the reason.

    Example:
        >>> from monai_minority.data import Rejection
        >>> Rejection(file="scan.nii", subject="P1", reason="the file does not exist").reason
        'the file does not exist'
    """

    file: str
    subject: str
    reason: str
    by_rule: bool = False
    """Whether it is sound, and left out by a rule of the user alone."""


def existing(path: PathLike) -> Path:
    """Return ``path`` with ``~`` expanded; raise ``FileNotFoundError`` if it does not exist."""
    path = Path(path).expanduser()
    if not path.exists():
        raise FileNotFoundError(f"{path} does not exist")
    return path


_KINDS = {
    stat.S_IFIFO: "a named pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
    stat.S_IFDIR: "a folder",
}
_POINTERS = {
    b"version https://git-lfs": "a Git LFS pointer without content; fetch it with: git lfs pull",
    b"/annex/objects/": "a git-annex pointer without content; fetch it with: datalad get",
}


def regular_file(path: PathLike) -> os.stat_result:
    """The state of a regular file, without opening it, so that nothing hangs.

    Raises:
        ValueError: there is no such file, a link leads nowhere, or it is a pipe, a device or a folder.
        OSError: the file cannot be reached, for example because its folder is closed.

    Example:
        >>> import tempfile
        >>> from pathlib import Path
        >>> from monai_minority.data.paths import regular_file
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     Path(folder, "scan.nii").symlink_to("../.git/annex/objects/Xx/scan.nii")
        ...     regular_file(Path(folder, "scan.nii"))
        Traceback (most recent call last):
        ValueError: the link leads nowhere: its content is kept by git-annex and was not fetched; use: datalad get
    """
    path = Path(path)
    try:
        found = path.stat()
    except FileNotFoundError:
        if not path.is_symlink():
            raise ValueError("the file does not exist") from None
        if "annex/objects" in path.readlink().as_posix():
            raise ValueError(
                "the link leads nowhere: its content is kept by git-annex and was not fetched; use: datalad get"
            ) from None
        raise ValueError("the link leads nowhere") from None
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise ValueError("the link leads to itself") from None
        if error.errno == errno.ENAMETOOLONG:
            raise ValueError("the file does not exist: its name is too long") from None
        raise
    if not stat.S_ISREG(found.st_mode):
        raise ValueError(f"not a regular file but {_KINDS.get(stat.S_IFMT(found.st_mode), 'something else')}")
    return found


def checked_size(path: PathLike) -> int:
    """Size in bytes of a regular file that has content.

    Raises:
        ValueError: as :func:`regular_file`, or the file is empty, or a pointer of Git LFS or git-annex whose content
            was not fetched.
        OSError: the file cannot be reached.

    Example:
        >>> import tempfile
        >>> from pathlib import Path
        >>> from monai_minority.data.paths import checked_size
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     size = Path(folder, "scan.nii").write_text("version https://git-lfs.github.com/spec/v1")
        ...     checked_size(Path(folder, "scan.nii"))
        Traceback (most recent call last):
        ValueError: the file is a Git LFS pointer without content; fetch it with: git lfs pull
    """
    path, found = Path(path), regular_file(path)
    if not found.st_size:
        raise ValueError("the file is empty (0 bytes)")
    if found.st_size < 1024:
        with path.open("rb") as file:
            start = file.read(64)
        for mark, kind in _POINTERS.items():
            if start.startswith(mark):
                raise ValueError(f"the file is {kind}")
    return found.st_size


def walk(
    folder: Path,
    endings: tuple[str, ...],
    rejected: list[Rejection],
    skip: tuple[str, ...] = (),
    passed_over: list[Rejection] | None = None,
) -> Iterable[Path]:
    """Yield the files with one of the endings, in a fixed order.

    Hidden files and folders are skipped, and so are folders that this program wrote (:func:`left_by_us`): what a run
    leaves is no data. A link to a folder is followed once.

    Args:
        folder: where to look.
        endings: lower-case endings of file names; ``("",)`` for all files.
        rejected: gets each subfolder that cannot be read. If ``folder`` itself cannot be read, ``OSError`` is raised.
        skip: names of folders to skip.
        passed_over: gets each folder that is skipped, with the reason.
    """
    notes: list[Rejection] = [] if passed_over is None else passed_over

    def note(error: OSError) -> None:
        if Path(error.filename) == folder:
            raise error
        rejected.append(Rejection(str(error.filename), "", f"the folder cannot be read: {error.strerror}"))

    skipped = {name.lower() for name in skip}
    seen = {Path(os.path.realpath(folder))}
    for root, folders, names in os.walk(folder, onerror=note, followlinks=True):
        ours = left_by_us(root, names)
        if ours and Path(root) != folder:
            notes.append(Rejection(root, "", f"passed over: the folder is {ours} of monai_minority"))
            folders.clear()
            continue
        results = results_of(root) if ours else set()
        kept = []
        for name in sorted(folders):
            path = Path(root) / name
            if name.startswith("."):
                continue
            if name.lower() in skipped or name in results:
                why = "it holds results of the run in this folder" if name in results else f"{name} holds no raw images"
                notes.append(Rejection(str(path), "", f"passed over: {why}"))
            elif path.is_symlink() and _is_below(target := Path(os.path.realpath(path)), seen):
                notes.append(Rejection(str(path), "", "passed over: the link leads to a folder that is read already"))
            else:
                seen.update([target] if path.is_symlink() else [])
                kept.append(name)
        folders[:] = kept
        for name in sorted(names):
            if name.lower().endswith(endings) and not name.startswith("."):
                yield Path(root) / name


def _is_below(path: Path, folders: Collection[Path]) -> bool:
    return path in folders or any(parent in folders for parent in path.parents)


def left_by_us(folder: PathLike, names: Collection[str]) -> str:
    """What of this program a folder is, by the names in it: ``"a run"``, ``"an image store"``, ``"an export"``; or
    ``""``.

    Example:
        >>> from monai_minority.data.paths import left_by_us
        >>> left_by_us("/data/store", ["images.npy", "store.json", "table.csv"]), left_by_us("/data", ["scan.nii"])
        ('an image store', '')
    """
    if "store.json" in names and "images.npy" in names:
        return "an image store"
    if "cohort.key" in names or ("run.json" in names and '"stages"' in _text_of(folder, "run.json")):
        return "a run"
    if "images.csv" in names:
        heading = set(_text_of(folder, "images.csv", 4096).partition("\n")[0].split(","))
        return "an export" if "file" in heading and heading & {"synthetic", "target_class"} else ""
    return ""


def results_of(run: PathLike) -> set[str]:
    """Names of what a run leaves in its folder, which may hold the data as well."""
    try:
        stages = json.loads(_text_of(run, "run.json"))["stages"].values()
        outputs = {str(name).split("/")[0] for stage in stages for name in stage.get("outputs", ())}
    except (ValueError, KeyError, TypeError, AttributeError):
        outputs = set()
    return outputs | _RESULTS


def _text_of(folder: PathLike, name: str, size: int = -1) -> str:
    try:
        with (Path(folder) / name).open(encoding="utf-8", errors="replace") as opened:
            return opened.read(size)
    except OSError:
        return ""


def stem(name: str) -> str:
    """The file name without its folder and without image endings."""
    return re.sub(_IMAGE_ENDING, "", Path(name).name, flags=re.IGNORECASE)


def printable(value: object) -> object:
    """A text in which U+FFFD stands for what controls a terminal or is not UTF-8; other values as they are.

    >>> printable("red\\x1b[2J"), printable(-3.5)
    ('red\ufffd[2J', -3.5)
    """
    if not isinstance(value, str):
        return value
    return "".join(mark if mark.isprintable() else "\ufffd" for mark in value)
