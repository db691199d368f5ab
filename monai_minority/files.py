"""Writing files that are either whole or absent."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def whole_file(path: str | os.PathLike[str], mode: int | None = None) -> Iterator[Path]:
    """Write ``path`` through a temporary file that replaces it at the end, or is removed after an error.

    A reader finds the old file or the new one, never half of one, even if the process is killed.

    Args:
        path: the file. Its folder is created, and an existing file is replaced.
        mode: permissions from the first byte on, such as ``0o600`` for names of patients; ``None`` for the umask's.

    Yields:
        The temporary file: hidden, in the same folder, with the same ending and the process number in its name.

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
    partial = path.with_name(f".{os.getpid()}-{path.name}")
    try:
        if mode is not None:
            os.close(os.open(partial, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, mode))
            partial.chmod(mode)  # of one that a killed process left
        yield partial
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
