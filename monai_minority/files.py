"""Files that are whole or absent."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def whole_file(path: str | os.PathLike[str], mode: int | None = None) -> Iterator[Path]:
    """A sibling to write to that becomes ``path`` when it is whole and is removed when it is not.

    A reader, or a run after a kill, finds the old file or the new one, never half of one.

    Args:
        path: the file; its folder is made. One that is there is replaced.
        mode: permissions, such as ``0o600`` for what names patients, from the first byte on; ``None``: the umask's.

    Yields:
        The sibling: hidden, with the same ending, and its own for each process.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{os.getpid()}-{path.name}")
    try:
        if mode is not None:
            os.close(os.open(partial, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, mode))
            partial.chmod(mode)  # of one that a killed process left
        yield partial
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
