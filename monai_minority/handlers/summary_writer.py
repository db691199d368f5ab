"""TensorBoard's writer, silent where it should be."""

import os
from typing import Any

from torch.utils.tensorboard import SummaryWriter


class _Silent:
    """Takes every call of a ``SummaryWriter`` and writes nothing."""

    def __getattr__(self, name: str) -> Any:
        return lambda *args, **kwargs: None


def summary_writer(log_dir: str | os.PathLike[str], enabled: bool = True) -> Any:
    """A ``SummaryWriter`` for ``log_dir``, or where ``enabled`` is off one that writes nothing.

    Only one process of a distributed run may write.
    """
    return SummaryWriter(str(log_dir), flush_secs=10) if enabled else _Silent()
