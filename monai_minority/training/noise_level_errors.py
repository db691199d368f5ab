"""Errors of a classifier of noised images at each noise level."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from ignite.engine import Engine, Events
from monai.utils import CommonKeys

from monai_minority.files import write_csv


class NoiseLevelErrors:
    """Writes accuracy and mean absolute class error by noise level to a CSV file and to TensorBoard.

    Attach it to an evaluator whose inferer is a :class:`~monai_minority.inferers.NoisyClassifierInferer` with a grid.

    Args:
        grid: training timesteps of the grid.
        path: CSV file with the columns ``timestep``, ``images``, ``accuracy``, ``mean_absolute_error`` (in classes) and
            ``cross_entropy`` (in nats).
        summary_writer: TensorBoard's ``SummaryWriter``.
        write: whether this process writes the file (rank 0).
        steps_an_epoch: training steps between two validations, so that TensorBoard counts in steps.

    Example:
        >>> import tempfile
        >>> from pathlib import Path
        >>> from unittest.mock import Mock
        >>> import pandas as pd
        >>> import torch
        >>> from ignite.engine import Engine
        >>> from monai_minority.training import NoiseLevelErrors
        >>> logits = torch.tensor([[[9.0, 0.0], [9.0, 0.0]], [[0.0, 9.0], [9.0, 0.0]]])  # [images, levels, classes]
        >>> evaluator = Engine(lambda engine, batch: {"pred": logits, "label": torch.tensor([0, 1])})
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     NoiseLevelErrors([0, 500], Path(folder) / "errors.csv", Mock()).attach(evaluator)
        ...     state = evaluator.run([0])
        ...     print(pd.read_csv(Path(folder) / "errors.csv").round(3).to_string(index=False))
         timestep  images  accuracy  mean_absolute_error  cross_entropy
                0       2       1.0                  0.0            0.0
              500       2       0.5                  0.5            4.5
    """

    def __init__(
        self,
        grid: Sequence[int],
        path: str | os.PathLike[str],
        summary_writer: Any,
        write: bool = True,
        steps_an_epoch: int = 1,
    ) -> None:
        self.grid = list(grid)
        self.path = Path(path)
        self.writer = summary_writer
        self.write = write
        self.steps_an_epoch = steps_an_epoch
        self._rows: list[np.ndarray] = []

    def attach(self, engine: Engine) -> None:
        """Collect the errors of each batch and write them at the end."""
        engine.add_event_handler(Events.STARTED, self._start)
        engine.add_event_handler(Events.ITERATION_COMPLETED, self._collect)
        engine.add_event_handler(Events.COMPLETED, self._report)

    def _start(self, engine: Engine) -> None:
        self._rows = []

    def _collect(self, engine: Engine) -> None:
        output: Any = engine.state.output
        logits, labels = output[CommonKeys.PRED], output[CommonKeys.LABEL]
        found = logits.argmax(-1)
        truth = labels[:, None].expand_as(found)
        loss = logits.logsumexp(-1) - logits.gather(-1, truth[..., None])[..., 0]
        errors = np.stack([(found == truth).cpu(), (found - truth).abs().cpu(), loss.cpu()], axis=-1)
        self._rows.append(errors.astype(np.float64))

    def _report(self, engine: Engine) -> None:
        errors = np.concatenate(self._rows)
        accuracy, absolute, loss = errors.mean(0).T
        table = pd.DataFrame(
            {
                "timestep": self.grid,
                "images": len(errors),
                "accuracy": accuracy,
                "mean_absolute_error": absolute,
                "cross_entropy": loss,
            }
        )
        if self.write:
            write_csv(table, self.path)
        step = engine.state.epoch * self.steps_an_epoch
        for timestep, row in zip(self.grid, table.to_dict("records"), strict=True):
            for name in ("accuracy", "mean_absolute_error"):
                self.writer.add_scalar(f"validation_{name}/t{timestep:04d}", row[name], step)
        for name in ("accuracy", "mean_absolute_error", "cross_entropy"):
            self.writer.add_scalar(f"validation/{name}", float(table[name].mean()), step)
