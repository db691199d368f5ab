"""Paths that people give, files in folders, and what is passed over with its reason."""

import os
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

PathLike = str | os.PathLike[str]


@dataclass(frozen=True)
class Rejection:
    """A file, or a line of a label file, that is left out."""

    file: str
    subject: str
    reason: str


def existing(path: PathLike) -> Path:
    """``path``, which must exist."""
    path = Path(path).expanduser()
    if not path.exists():
        raise FileNotFoundError(f"{path} does not exist")
    return path


def walk(
    folder: Path, endings: tuple[str, ...], rejected: list[Rejection], skip: tuple[str, ...] = ()
) -> Iterable[Path]:
    """Files with one of the endings, in a fixed order; a folder that cannot be read is rejected, the top one
    raises."""

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
    """The name of a file without its folder and the endings of images."""
    return re.sub(r"(\.nii|\.hdr)?(\.gz)?$|\.(jpe?g|png|webp)$", "", Path(name).name, flags=re.IGNORECASE)
