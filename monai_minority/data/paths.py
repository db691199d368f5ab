"""User-given paths, files in folders, and rejected entries with their reasons."""

import os
import re
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
