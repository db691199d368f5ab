"""Images above their reconstructions, in TensorBoard."""

from typing import Any

import torch
from ignite.engine import Engine, Events
from monai.networks.utils import eval_mode
from torchvision.utils import make_grid

from monai_minority.data.store.image_store import ImageStore, evenly


class ReconstructionGrid:
    """Writes images above their reconstructions to TensorBoard after every epoch.

    Args:
        network: network that returns a :class:`~monai_minority.networks.autoencoder.Reconstruction`.
        images: store of images; those shown are spread evenly over it.
        summary_writer: TensorBoard's ``SummaryWriter``.
        count: number of images.
        enabled: whether to write; set it in one process only.

    Example:
        >>> import tempfile
        >>> from unittest.mock import Mock
        >>> import numpy as np
        >>> import torch
        >>> from ignite.engine import Engine
        >>> from monai_minority.data import ImageStore
        >>> from monai_minority.networks.autoencoder import Reconstruction
        >>> from monai_minority.training import ReconstructionGrid
        >>> class Identity(torch.nn.Module):
        ...     def forward(self, images):
        ...         return Reconstruction(images, images, images)
        >>> writer, trainer = Mock(), Engine(lambda engine, batch: None)
        >>> trainer.state.device = "cpu"
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     images = np.zeros((10, 1, 8, 8), np.uint8)
        ...     store = ImageStore.create(f"{folder}/store", images, {"source": range(10), "slice": 0}, (0, 255))
        ...     ReconstructionGrid(Identity(), store, writer, count=4)(trainer)
        >>> tag, grid, step = writer.add_image.call_args.args
        >>> tag, list(grid.shape)  # two rows of four, with frames of 2 pixels
        ('real_above_reconstructed', [3, 22, 42])
    """

    def __init__(
        self, network: torch.nn.Module, images: ImageStore, summary_writer: Any, count: int = 8, enabled: bool = True
    ) -> None:
        self.network = network
        self.images = images
        self.writer = summary_writer
        self.count = count
        self.enabled = enabled

    def attach(self, engine: Engine) -> None:
        """Write at the end of each epoch of a trainer or an evaluator."""
        if self.enabled:
            engine.add_event_handler(Events.EPOCH_COMPLETED, self)

    def __call__(self, engine: Engine) -> None:
        images = self.images.batch(evenly(len(self.images), self.count))
        with eval_mode(self.network):
            made = self.network(images.to(engine.state.device)).images.float().cpu()  # type: ignore[attr-defined]
        grid = make_grid(torch.cat([images, made]).clamp(-1, 1).add(1).div(2), nrow=len(images))
        self.writer.add_image("real_above_reconstructed", grid, engine.state.iteration)
