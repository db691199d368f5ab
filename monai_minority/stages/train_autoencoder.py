"""The autoencoder whose latents the diffusion networks learn."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from monai.networks.utils import eval_mode

from monai_minority.data import ImageStore
from monai_minority.networks import LatentAutoencoder, save_weights
from monai_minority.progress import progress_bar
from monai_minority.run import is_main
from monai_minority.stages.training import Training
from monai_minority.training import AutoencoderLoss, DiscriminatorStep, ReconstructionGrid


@dataclass(kw_only=True)
class TrainAutoencoder(Training):
    """Train the autoencoder, and set its scale so that the latents of the training images have unit deviation."""

    network: LatentAutoencoder
    loss: AutoencoderLoss
    images: ImageStore
    validation_images: ImageStore
    batch_size: int
    adversary: torch.nn.Module
    adversary_optimizer: torch.optim.Optimizer
    adversarial_start: int  # in steps
    adversarial_weight: float

    config = "train_autoencoder"

    def kept(self) -> Mapping[str, Any]:
        return {"discriminator": self.adversary, "discriminator_optimizer": self.adversary_optimizer}

    def handlers(self) -> Iterable[Any]:
        if not self.adversarial_weight:
            return []
        return [DiscriminatorStep(self.adversary, self.adversary_optimizer, self.loss, self.adversarial_start)]

    def pictures(self) -> Iterable[Any]:
        return [ReconstructionGrid(self.network, self.validation_images, self.writer, enabled=is_main())]

    @property
    def losses(self) -> Callable[[Any], Any]:
        return _losses

    def save(self, path: Path) -> None:
        measure_scale(self.network, self.images, self.batch_size)
        save_weights(self.network, path)


def _losses(output: Mapping[str, Any]) -> dict[str, float]:
    found = {"loss": output["loss"].item()}
    if "discriminator_loss" in output:
        found["discriminator"] = output["discriminator_loss"].item()
    return found


def measure_scale(
    autoencoder: LatentAutoencoder, images: ImageStore, batch_size: int = 64, progress: bool = True
) -> float:
    """Set the autoencoder's scale to 1 / standard deviation of the latents, over all their values.

    Raises:
        ValueError: the latents are all alike or not finite.
    """
    count, total, squares = 0, 0.0, 0.0
    device = autoencoder.scale.device
    with eval_mode(autoencoder):
        batches = np.array_split(np.arange(len(images)), -(-len(images) // batch_size))
        for rows in progress_bar(batches, "latents", unit="batch", enabled=progress):
            latents = autoencoder.network.encode(images.batch(rows).to(device))[0].double()
            count += latents.numel()
            total += latents.sum().item()
            squares += latents.square().sum().item()
    variance = squares / count - (total / count) ** 2
    if not 0 < variance < float("inf"):
        raise ValueError(
            f"the latents of the training images must vary and be finite, their variance is {variance}; the "
            "autoencoder has collapsed or diverged: lower kl_weight or the learning rate"
        )
    autoencoder.scale.fill_(variance**-0.5)
    return autoencoder.scale.item()
