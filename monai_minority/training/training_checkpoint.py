"""Checkpoints from which an interrupted run continues to the same result."""

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from ignite.engine import Engine, Events

from monai_minority.data.store.batches import ShuffledBatches
from monai_minority.files import DamagedFile, move_whole, reading, whole_file


class TrainingCheckpoint:
    """Saves the state of a training run after every epoch, and loads it when the run starts again.

    The file is written under a temporary name and then renamed, so an interruption during saving leaves the previous
    one. A checkpoint of other settings is set aside under a name of its own, ``checkpoint-1a2b3c4d.pt``, and the
    training begins anew, which is said; with its settings it is taken up again.

    Args:
        path: checkpoint file.
        objects: objects with ``state_dict`` and ``load_state_dict`` by name (networks, optimizer, schedule, …).
        sampler: sampler of the batches. Its start is set to the step reached, so that the run continues with the same
            batches.
        settings: values that must equal those of a checkpoint, such as the seed and the content hash of the training
            images. An argument (``network_def::dropout``) that one of both lacks differs. A whole setting that the
            checkpoint lacks does not: a later version added it, with a default that changes nothing.
        write: whether this process saves (rank 0).

    Raises:
        ValueError: on start, the checkpoint is damaged or of another network.

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
        """Continue from the checkpoint of these settings, if there is one."""
        checkpoint = self._read()
        changed = [] if checkpoint is None else self._changed(checkpoint["settings"])
        own = self._aside(self.settings)
        _all_here()  # every process has read before the first one moves anything
        if changed or (checkpoint is None and own.is_file()):
            if self.write:
                self._exchange(checkpoint, changed, own)
            _all_here()
            checkpoint = self._read()
        if checkpoint is None:
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
            "settings": self.settings,
            "objects": {name: thing.state_dict() for name, thing in self.objects.items()},
        }
        with (
            whole_file(self.path) as partial,
            partial.open("wb") as opened,
        ):  # by its name, the file would hold that name
            torch.save(checkpoint, opened)

    def _read(self) -> dict[str, Any] | None:
        if not self.path.is_file():
            return None
        try:
            with reading(self.path) as path:
                return torch.load(path, map_location="cpu", weights_only=True)
        except DamagedFile as error:
            raise DamagedFile(f"{str(error).split(';')[0]}; delete it to train from the start") from error

    def _changed(self, found: Mapping[str, str]) -> list[str]:
        compared = [*found, *(key for key in self.settings if key not in found and "::" in key)]
        return [key for key in compared if found.get(key) != self.settings.get(key)]

    def _aside(self, settings: Mapping[str, str]) -> Path:
        """Where a checkpoint of these settings is set aside."""
        digest = hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()
        return self.path.with_stem(f"{self.path.stem}-{digest[:8]}")

    def _exchange(self, checkpoint: dict[str, Any] | None, changed: list[str], own: Path) -> None:
        """Set a checkpoint of other settings aside, and take that of these from there."""
        name, begins = self.path.parent.name, f"goes on from {own.name}" if own.is_file() else "trained from the start"
        if checkpoint is not None:
            kept = self._aside(checkpoint["settings"])
            move_whole(self.path, kept)
            others = f" and {len(changed) - 3} more" if len(changed) > 3 else ""
            begins += f", since {', '.join(changed[:3])}{others} changed; the checkpoint of before is kept as {kept}"
        if own.is_file():
            move_whole(own, self.path)
        print(f"{name}: {begins}")


def _all_here() -> None:
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        torch.distributed.barrier()
