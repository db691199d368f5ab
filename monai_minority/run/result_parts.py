"""What an engine computes a batch, kept on disk until the whole is there."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from ignite.engine import Engine, Events
from monai.engines import Evaluator
from monai.utils import CommonKeys

from monai_minority.files import DamagedFile, check_sealed, whole_file
from monai_minority.files.seals import begin_log
from monai_minority.run.distributed import barrier, is_main


class ResultParts:
    """Saves each batch's prediction as a file, so that a killed run goes on where it was.

    Several processes may write into one folder, each its own batches.

    Args:
        folder: where the parts are kept.
        fingerprint: of the settings; parts of other settings in the folder are deleted, never mixed in.
        batch_size: of the batches. It need not be among the settings, since results do not depend on it, but the
            numbers of the batches do.

    Example:
        >>> import tempfile
        >>> from monai_minority.run import ResultParts
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     ResultParts(folder, "0123456789abcdef", batch_size=4).done
        []
    """

    def __init__(self, folder: str | os.PathLike[str], fingerprint: str, batch_size: int) -> None:
        self.folder = Path(folder) / f"{fingerprint[:16]}-{batch_size}"

    @property
    def done(self) -> list[int]:
        """Numbers of the batches that are saved, in ascending order."""
        return sorted(int(path.stem) for path in self.folder.glob("[0-9]*.npy") if self._is_whole(path))

    def _is_whole(self, path: Path) -> bool:
        """Whether a part is what was written; after a power failure it may be half of it."""
        try:
            check_sealed(path)
        except DamagedFile as error:
            print(f"batch {path.stem} is computed again, since {error}")
            path.unlink()
            return False
        return True

    def run(self, evaluator: Evaluator) -> None:
        """Run an evaluator on the batches that are not saved yet, and save them; every process then waits for all.

        Args:
            evaluator: its loader is an :func:`~monai_minority.data.ordered_loader`.
        """
        loader: Any = evaluator.data_loader
        loader.sampler.skip(self.done)
        evaluator.state.epoch_length = len(loader)
        self.attach(evaluator)
        barrier()  # every process has seen what is done before one adds to it
        if len(loader):
            evaluator.run()
        barrier()

    def attach(self, engine: Engine) -> None:
        """Delete parts of other settings on start, save after every iteration."""
        engine.add_event_handler(Events.STARTED, self._start)
        engine.add_event_handler(Events.ITERATION_COMPLETED, self)

    def _start(self, engine: Engine) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        if is_main():
            for other in self.folder.parent.iterdir():
                if other != self.folder:
                    shutil.rmtree(other, ignore_errors=True)
            begin_log(self.folder)

    def __call__(self, engine: Engine) -> None:
        output: Any = engine.state.output
        batch: Any = engine.state.batch
        prediction = output[CommonKeys.PRED]
        path = self.folder / f"{int(batch['step']):08d}.npy"
        with whole_file(path, synced=False) as partial:
            np.save(partial, prediction.detach().float().cpu().numpy())

    def batches(self, count: int) -> Iterator[np.ndarray]:
        """The parts in the order of their batches, one in memory at a time.

        Raises:
            RuntimeError: they are not ``count`` rows, since a process has not finished, or someone has deleted some.
        """
        found = 0
        for step in self.done:
            part = np.load(self.folder / f"{step:08d}.npy")
            found += len(part)
            yield part
        if found != count:
            raise RuntimeError(f"{self.folder} holds {found} of {count} results; run the stage again to finish it")

    def delete(self) -> None:
        """Remove the folder once its content is in its final place."""
        shutil.rmtree(self.folder.parent, ignore_errors=True)
