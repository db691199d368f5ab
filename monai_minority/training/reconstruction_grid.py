"""Pictures of what an autoencoder keeps of an image."""

from typing import Any

import torch
from ignite.engine import Engine, Events
from torchvision.utils import make_grid

from monai_minority.data.store.image_store import ImageStore, evenly


class ReconstructionGrid:
    """Writes images above their reconstructions to TensorBoard after every epoch.

    Args:
        network: gives a :class:`~monai_minority.networks.autoencoder.Reconstruction`.
        images: some of these are shown, evenly over the store.
        summary_writer: TensorBoard's ``SummaryWriter``.
        count: number of images.
        enabled: off for all but one process.
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
        """Draw at the end of an epoch of a trainer or an evaluator."""
        if self.enabled:
            engine.add_event_handler(Events.EPOCH_COMPLETED, self)

    def __call__(self, engine: Engine) -> None:
        images = self.images.batch(evenly(len(self.images), self.count))
        training = self.network.training
        self.network.eval()
        with torch.no_grad():
            made = self.network(images.to(engine.state.device)).images.float().cpu()  # type: ignore[attr-defined]
        self.network.train(training)
        grid = make_grid(torch.cat([images, made]).clamp(-1, 1).add(1).div(2), nrow=len(images))
        self.writer.add_image("real_above_reconstructed", grid, engine.state.iteration)
