"""Checkpoints from which an interrupted run continues to the same result."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from ignite.engine import Engine, Events

from monai_minority.data.store.batches import ShuffledBatches
from monai_minority.files import DamagedFile, reading, whole_file


class TrainingCheckpoint:
    """Saves the state of a training run after every epoch, and loads it when the run starts again.

    The file is written under a temporary name and then renamed, so an interruption during saving leaves the previous
    one.

    Args:
        path: checkpoint file.
        objects: objects with ``state_dict`` and ``load_state_dict`` by name (networks, optimizer, schedule, …).
        sampler: sampler of the batches. Its start is set to the step reached, so that the run continues with the same
            batches.
        settings: values that must equal those of a checkpoint, such as the seed. A checkpoint with other values is
            refused. Settings that the checkpoint does not hold are not compared.
        write: whether this process saves (rank 0).
        inputs: contents that the network learns from, such as the content hash of the training images. With other
            contents the training begins anew.

    Raises:
        ValueError: on start, the checkpoint belongs to other settings or another network.

    Example:
        >>> import tempfile
        >>> import torch
        >>> from ignite.engine import Engine
        >>> from monai_minority.data import ShuffledBatches
        >>> from monai_minority.training import TrainingCheckpoint
        >>> def train(path, epochs):
        ...     sampler, steps = ShuffledBatches(10, batch_size=2), []
        ...     trainer = Engine(lambda engine, batch: steps.append(engine.state.iteration))
        ...     TrainingCheckpoint(path, {"network": torch.nn.Linear(1, 1)}, sampler).attach(trainer)
        ...     trainer.run(sampler, max_epochs=epochs, epoch_length=3)
        ...     return steps
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     print(train(f"{folder}/checkpoint.pt", epochs=1), train(f"{folder}/checkpoint.pt", epochs=2))
        [1, 2, 3] [4, 5, 6]
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        objects: Mapping[str, Any],
        sampler: ShuffledBatches,
        settings: Mapping[str, Any] | None = None,
        write: bool = True,
        inputs: Mapping[str, Any] | None = None,
    ) -> None:
        self.path = Path(path)
        self.objects = dict(objects)
        self.sampler = sampler
        self.settings = {key: str(value) for key, value in (settings or {}).items()}
        self.inputs = {key: str(value) for key, value in (inputs or {}).items()}
        self.write = write

    def attach(self, engine: Engine) -> None:
        """Load on start, save after every epoch (``epoch_length`` steps of the trainer)."""
        engine.add_event_handler(Events.STARTED, self.load)
        engine.add_event_handler(Events.EPOCH_COMPLETED, self.save)

    def load(self, engine: Engine) -> None:
        """Continue from the checkpoint, if it exists."""
        if not self.path.is_file():
            return
        try:
            with reading(self.path) as path:
                checkpoint = torch.load(path, map_location="cpu", weights_only=True)
        except DamagedFile as error:
            raise DamagedFile(f"{str(error).split(';')[0]}; delete it to train from the start") from error
        for key, value in self.settings.items():
            found = checkpoint["settings"].get(key, value)
            if found != value:
                raise ValueError(
                    f"checkpoint {self.path} was written with {key} = {found}, this run has {value}; delete its "
                    "folder to train again, or choose another run folder"
                )
        changed = [key for key, value in self.inputs.items() if checkpoint["settings"].get(key, value) != value]
        if changed:
            if self.write:
                print(f"{self.path.parent.name}: trained from the start, since {', '.join(changed)} changed")
            return
        for name, thing in self.objects.items():
            try:
                thing.load_state_dict(checkpoint["objects"][name])
            except (KeyError, RuntimeError, ValueError) as error:
                reason = str(error).splitlines()[0]
                raise ValueError(
                    f"checkpoint {self.path} does not fit the configured {name} ({reason}); delete its folder to "
                    "train again, or restore the configuration that it was trained with"
                ) from error
        step, epoch_length = int(checkpoint["step"]), int(engine.state.epoch_length or 1)
        if step % epoch_length:
            raise ValueError(
                f"checkpoint {self.path} was written after step {step}, which does not end an epoch of "
                f"{epoch_length} steps; set the steps of an epoch to their former number, or to a divisor of {step}"
            )
        engine.state.iteration = step
        engine.state.epoch = step // epoch_length
        self.sampler.start = step

    def save(self, engine: Engine) -> None:
        """Write the checkpoint of the current step."""
        if not self.write:
            return
        checkpoint = {
            "step": engine.state.iteration,
            "settings": {**self.settings, **self.inputs},
            "objects": {name: thing.state_dict() for name, thing in self.objects.items()},
        }
        with whole_file(self.path) as partial:
            torch.save(checkpoint, partial)
