"""What the training stages have in common."""

from abc import abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from operator import itemgetter
from pathlib import Path
from typing import Any

import torch
from monai.engines import SupervisedEvaluator, SupervisedTrainer
from monai.handlers import LrScheduleHandler, TensorBoardStatsHandler, ValidationHandler

from monai_minority.run import ProgressBar, Stage, is_main, summary_writer
from monai_minority.run.distributed import rank_and_size
from monai_minority.training import GradientClipping, StepSeed, TrainingCheckpoint


@dataclass(kw_only=True)
class Training(Stage):
    """Train a network to the end of its steps, with a checkpoint and a validation after each epoch.

    A killed training goes on from its checkpoint to the same weights, whatever the number of processes.
    """

    name: str  # type: ignore[misc]
    trainer: SupervisedTrainer
    validator: SupervisedEvaluator
    network: torch.nn.Module  # without a wrapper for distributed training
    optimizer: torch.optim.Optimizer
    lr_scheduler: Any = None
    max_norm: float
    seed: int  # of dropout, a step at a time

    shared = True
    columns = ()
    loss_tag = "loss"
    """Of the training loss in TensorBoard."""

    @property
    def leaves(self) -> Sequence[Path]:
        return [self.folder.network(self.name) / "model.pt"]

    @property
    def made(self) -> str:
        state = self.trainer.state
        return f"a network after {state.max_epochs * state.epoch_length:,} steps"

    @property
    def needs_bytes(self) -> int:
        """Of the last checkpoint and the next one, each with the state of Adam, and of the weights."""
        network = sum(value.numel() * value.element_size() for value in self.network.parameters())
        return network * (2 * (3 + len(self.kept())) + 1)

    @abstractmethod
    def save(self, path: Path) -> None:
        """Write the trained weights."""

    def kept(self) -> Mapping[str, Any]:
        """What the checkpoint holds besides network, optimizer and learning rate."""
        return {}

    def handlers(self) -> Iterable[Any]:
        """What the trainer does between the seed of a step and the clipping of its gradient."""
        return ()

    def pictures(self) -> Iterable[Any]:
        """What the trainer writes to TensorBoard after an epoch, besides its losses."""
        return ()

    def validation_handlers(self) -> Iterable[Any]:
        """What the evaluator does with its results."""
        every = self.trainer.state.epoch_length
        return [
            TensorBoardStatsHandler(
                summary_writer=self.writer,
                iteration_log=False,
                tag_name=f"validation_{self.loss_tag}",
                global_epoch_transform=lambda epoch: epoch * every,
            )
        ]

    @cached_property
    def writer(self) -> Any:
        """TensorBoard's writer of this stage."""
        return summary_writer(self.folder.tensorboard(self.name), enabled=is_main())

    @property
    def losses(self) -> Callable[[Any], Any]:
        """What TensorBoard gets of a step's output."""
        return itemgetter("loss")

    def work(self) -> None:
        self._attach()
        self.trainer.run()
        if self.validator.state.epoch < self.trainer.state.epoch:  # killed after the last checkpoint was written
            self.validator.run(self.trainer.state.epoch)
        if is_main():
            self.save(self.leaves[0])
        self.writer.close()

    def _attach(self) -> None:
        """Give trainer and evaluator their handlers. The checkpoint is first: what it loads, the others find."""
        steps = self.trainer.state.max_epochs * self.trainer.state.epoch_length
        self.trainer.optim_set_to_none = True  # gradients are written, not cleared and added to
        objects = {"network": self.network, **self.kept(), "optimizer": self.optimizer}
        if self.lr_scheduler is not None:
            objects["lr_scheduler"] = self.lr_scheduler
        batches: Any = self.trainer.data_loader
        rank, _ = rank_and_size()
        handlers = [
            TrainingCheckpoint(
                self.folder.network(self.name) / "checkpoint.pt",
                objects,
                batches.sampler,
                settings={**self.settings, **self.contents},
                write=is_main(),
            ),
            StepSeed(self.seed, rank),
            *self.handlers(),
            GradientClipping(self.network.parameters(), self.max_norm),
        ]
        if self.lr_scheduler is not None:
            handlers.append(LrScheduleHandler(self.lr_scheduler, print_lr=False, epoch_level=False))
        handlers += [
            ValidationHandler(interval=1, validator=self.validator),
            TensorBoardStatsHandler(summary_writer=self.writer, tag_name=self.loss_tag, output_transform=self.losses),
            *self.pictures(),
            ProgressBar(self.name, steps, enabled=is_main()),
        ]
        for handler in handlers:
            handler.attach(self.trainer)
        for handler in self.validation_handlers():
            handler.attach(self.validator)
