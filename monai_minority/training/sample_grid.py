"""Samples of a network during its training, in TensorBoard."""

from collections.abc import Sequence
from typing import Any

import torch
from ignite.engine import Engine, Events
from torchvision.utils import make_grid


class SampleGrid:
    """Writes a grid of samples of fixed seeds to TensorBoard every few epochs.

    Args:
        inferer: :class:`~monai_minority.inferers.GuidedDiffusionInferer` whose steps are set.
        network: network to sample from, such as the averaged network.
        shape: ``(C, H, W)`` of an image.
        summary_writer: TensorBoard's ``SummaryWriter``.
        count: number of images.
        every: epochs between two grids; the last epoch always has one.
        class_labels: integers ``[count]`` for a network that is conditional on them.
        enabled: whether to write; set it in one process only.

    Example:
        >>> from unittest.mock import Mock
        >>> import torch
        >>> from ignite.engine import Engine
        >>> from monai_minority.diffusion import RespacedDDIMScheduler
        >>> from monai_minority.inferers import GuidedDiffusionInferer
        >>> from monai_minority.training import SampleGrid
        >>> class Zero(torch.nn.Module):
        ...     def forward(self, x, timesteps):
        ...         return torch.zeros_like(x)
        >>> scheduler = RespacedDDIMScheduler(num_train_timesteps=1000)
        >>> scheduler.set_timesteps(2)
        >>> writer, trainer = Mock(), Engine(lambda engine, batch: None)
        >>> SampleGrid(GuidedDiffusionInferer(scheduler), Zero(), (1, 8, 8), writer, count=4).attach(trainer)
        >>> state = trainer.run([0], max_epochs=1)
        >>> tag, grid, step = writer.add_image.call_args.args
        >>> tag, list(grid.shape), step  # two rows of two, with frames of 2 pixels
        ('synthetic/samples', [3, 22, 22], 1)
    """

    def __init__(
        self,
        inferer: Any,
        network: torch.nn.Module,
        shape: Sequence[int],
        summary_writer: Any,
        count: int = 16,
        every: int = 1,
        class_labels: torch.Tensor | None = None,
        enabled: bool = True,
    ) -> None:
        self.inferer = inferer
        self.network = network
        self.shape = tuple(shape)
        self.writer = summary_writer
        self.count = count
        self.every = every
        self.class_labels = class_labels
        self.enabled = enabled

    def attach(self, engine: Engine) -> None:
        """Sample at the end of an epoch."""
        if self.enabled:
            engine.add_event_handler(Events.EPOCH_COMPLETED, self)

    def __call__(self, engine: Engine) -> None:
        if engine.state.epoch % self.every and engine.state.epoch != engine.state.max_epochs:
            return
        images = self.inferer.sample(
            self.network,
            torch.arange(self.count),
            self.shape,
            class_labels=self.class_labels,
            batch_size=self.count,
            progress=False,
            device=getattr(engine.state, "device", None),
        )
        grid = make_grid(images.clamp(-1, 1).add(1).div(2).cpu(), nrow=max(1, round(self.count**0.5)))
        self.writer.add_image("synthetic/samples", grid, engine.state.iteration)
