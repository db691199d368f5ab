"""Checkpoints from which a killed run goes on to the same result."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from ignite.engine import Engine, Events

from monai_minority.data.store.batches import ShuffledBatches
from monai_minority.files import whole_file


class TrainingCheckpoint:
    """Saves everything a training run needs after every epoch, and loads it when the run starts again.

    The file is written under a temporary name and renamed, so a kill during saving leaves the previous one.

    Args:
        path: the checkpoint file.
        objects: name to what has ``state_dict`` and ``load_state_dict`` (networks, optimizer, schedule, …).
        sampler: its start is set to the step reached, so that the run goes on with the batches it would have had.
        settings: values that a checkpoint must agree in, such as the content hash of the training images and the
            seed; one that does not is refused, since its continuation would be neither run. Those that it does
            not hold are not compared.
        write: whether this process saves (rank 0).

    Raises:
        ValueError: on start, the checkpoint belongs to other settings or another network.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        objects: Mapping[str, Any],
        sampler: ShuffledBatches,
        settings: Mapping[str, Any] | None = None,
        write: bool = True,
    ) -> None:
        self.path = Path(path)
        self.objects = dict(objects)
        self.sampler = sampler
        self.settings = {key: str(value) for key, value in (settings or {}).items()}
        self.write = write

    def attach(self, engine: Engine) -> None:
        """Load on start, save after every epoch (``epoch_length`` steps of the trainer)."""
        engine.add_event_handler(Events.STARTED, self.load)
        engine.add_event_handler(Events.EPOCH_COMPLETED, self.save)

    def load(self, engine: Engine) -> None:
        """Go on from the checkpoint, where there is one."""
        if not self.path.is_file():
            return
        checkpoint = torch.load(self.path, map_location="cpu", weights_only=True)
        for key, value in self.settings.items():
            found = checkpoint["settings"].get(key, value)
            if found != value:
                raise ValueError(
                    f"checkpoint {self.path} was written with {key} = {found}, this run has {value}; delete its "
                    "folder to train anew, or choose another run folder"
                )
        for name, thing in self.objects.items():
            try:
                thing.load_state_dict(checkpoint["objects"][name])
            except (KeyError, RuntimeError, ValueError) as error:
                reason = str(error).splitlines()[0]
                raise ValueError(
                    f"checkpoint {self.path} does not fit the configured {name} ({reason}); delete its folder to "
                    "train anew, or restore the configuration it was trained with"
                ) from error
        step, epoch_length = int(checkpoint["step"]), int(engine.state.epoch_length or 1)
        if step % epoch_length:
            raise ValueError(
                f"checkpoint {self.path} was written after step {step}, which does not end an epoch of "
                f"{epoch_length} steps; set the steps an epoch to what they were, or to a divisor of {step}"
            )
        engine.state.iteration = step
        engine.state.epoch = step // epoch_length
        self.sampler.start = step

    def save(self, engine: Engine) -> None:
        """Write the checkpoint of the step reached."""
        if not self.write:
            return
        checkpoint = {
            "step": engine.state.iteration,
            "settings": self.settings,
            "objects": {name: thing.state_dict() for name, thing in self.objects.items()},
        }
        with whole_file(self.path) as partial:
            torch.save(checkpoint, partial)
