"""User-given paths, files in folders, and rejected entries with their reasons."""

import errno
import os
import re
import stat
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

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


def checked_size(path: PathLike) -> int:
    """Size in bytes of a regular file that has content. The file is not opened unless it is small, so nothing hangs.

    Raises:
        ValueError: there is no such file, a link leads nowhere, it is a pipe, a device or a folder, it is empty, or it
            is a pointer of Git LFS or git-annex whose content was not fetched.
        OSError: the file cannot be reached, for example because its folder is closed.

    Example:
        >>> import tempfile
        >>> from pathlib import Path
        >>> from monai_minority.data.paths import checked_size
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     Path(folder, "scan.nii").symlink_to("../.git/annex/objects/Xx/scan.nii")
        ...     checked_size(Path(folder, "scan.nii"))
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
    folder: Path, endings: tuple[str, ...], rejected: list[Rejection], skip: tuple[str, ...] = ()
) -> Iterable[Path]:
    """Yield the files with one of the endings, in a fixed order.

    A subfolder that cannot be read is added to ``rejected``. If ``folder`` itself cannot be read, ``OSError`` is
    raised. Hidden files and folders, and folders named in ``skip``, are skipped.
    """

    def note(error: OSError) -> None:
        if Path(error.filename) == folder:
            raise error
        rejected.append(Rejection(str(error.filename), "", f"the folder cannot be read: {error.strerror}"))

    for root, folders, names in os.walk(folder, onerror=note):
        folders[:] = sorted(f for f in folders if not f.startswith(".") and f not in skip)
        for name in sorted(names):
            if name.lower().endswith(endings) and not name.startswith("."):
                yield Path(root) / name


def stem(name: str) -> str:
    """The file name without its folder and without image endings."""
    return re.sub(r"(\.nii|\.hdr)?(\.gz)?$|\.(jpe?g|png|webp)$", "", Path(name).name, flags=re.IGNORECASE)
