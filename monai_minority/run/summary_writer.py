"""TensorBoard's writer, silent where it should be."""

import os
import threading
from typing import Any

from torch.utils.tensorboard import SummaryWriter

_others = threading.excepthook


def _tell(failed: threading.ExceptHookArgs) -> None:
    """An error of TensorBoard's thread, such as of a folder that was deleted, is raised by the next call of its writer;
    the thread's traceback would come on top."""
    if type(failed.thread).__name__ != "_AsyncWriterThread":
        _others(failed)


class _Silent:
    """Takes every call of a ``SummaryWriter`` and writes nothing."""

    def __getattr__(self, name: str) -> Any:
        return lambda *args, **kwargs: None


class _Lazy:
    """A ``SummaryWriter`` that opens its file with the first call, so that a stage that is skipped leaves none."""

    def __init__(self, log_dir: str) -> None:
        self._log_dir = log_dir
        self._writer: SummaryWriter | None = None

    def __getattr__(self, name: str) -> Any:
        if self._writer is None:
            threading.excepthook = _tell
            self._writer = SummaryWriter(self._log_dir, flush_secs=10)
        return getattr(self._writer, name)

    def close(self) -> None:
        if self._writer is not None:
            self._writer.close()


def summary_writer(log_dir: str | os.PathLike[str], enabled: bool = True) -> Any:
    """A ``SummaryWriter`` for ``log_dir``, or where ``enabled`` is off one that writes nothing.

    Only one process of a distributed run may write. The file is opened when something is written.

    Example:
        >>> import tempfile
        >>> from pathlib import Path
        >>> from monai_minority.run import summary_writer
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     writer = summary_writer(folder)
        ...     before = len(list(Path(folder).iterdir()))
        ...     writer.add_scalar("loss", 0.5, 1)
        ...     writer.close()
        ...     before, len(list(Path(folder).iterdir()))
        (0, 1)
    """
    return _Lazy(str(log_dir)) if enabled else _Silent()
