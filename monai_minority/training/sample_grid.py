"""Pictures of what the network draws while it learns."""

from collections.abc import Sequence
from typing import Any

import torch
from ignite.engine import Engine, Events
from torchvision.utils import make_grid


class SampleGrid:
    """Writes a grid of samples of fixed seeds to TensorBoard every few epochs.

    Args:
        inferer: :class:`~monai_minority.inferers.GuidedDiffusionInferer` set to its steps.
        network: what to sample from, such as the averaged network.
        shape: ``(C, H, W)`` of an image.
        summary_writer: TensorBoard's ``SummaryWriter``.
        count: number of images.
        every: epochs between two grids; the last epoch has one always.
        class_labels: integers ``[count]`` where the network is conditional on them.
        tag: name of the grid. It says that the images are synthetic.
        enabled: off for all but one process.
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
        tag: str = "synthetic/samples",
        enabled: bool = True,
    ) -> None:
        self.inferer = inferer
        self.network = network
        self.shape = tuple(shape)
        self.writer = summary_writer
        self.count = count
        self.every = every
        self.class_labels = class_labels
        self.tag = tag
        self.enabled = enabled

    def attach(self, engine: Engine) -> None:
        """Draw at the end of an epoch."""
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
        self.writer.add_image(self.tag, grid, engine.state.iteration)
