"""The classifier of the rare group that :mod:`~monai_minority.evaluation.utility` trains in every arm."""

from collections.abc import Callable
from typing import TypeAlias

import numpy as np
import torch
from monai.networks.nets import Classifier
from torch import Tensor, nn
from torch.nn import functional as F

Predict: TypeAlias = Callable[[Tensor], np.ndarray]
"""From images ``[B, C, H, W]`` in [-1, 1] to the probability of the rare group ``[B]``."""


class RareClassifier:
    """Trains a small convolutional network to distinguish the rare group from the others.

    The network is MONAI's ``Classifier`` with four residual levels of stride 2. AdamW minimises the binary
    cross-entropy with a one-cycle learning rate. Each call trains a new network from its seed, for the same number of
    steps whatever the images.

    Args:
        channels: channels of the four levels.
        steps: number of training steps.
        batch_size: images in a step, drawn with replacement in proportion to their weights.
        learning_rate: highest learning rate of the cycle.
        weight_decay: weight decay of AdamW.
        device: device of the training; ``None`` takes a CUDA device if there is one.

    >>> images = torch.rand(8, 1, 16, 16)
    >>> train = RareClassifier(channels=(2, 2, 2, 2), steps=2, batch_size=4)
    >>> predict = train(images, torch.tensor([0.0, 1.0] * 4), torch.ones(8), seed=0, transform=None)
    >>> predict(images).shape
    (8,)
    """

    def __init__(
        self,
        channels: tuple[int, int, int, int] = (16, 32, 64, 64),
        steps: int = 600,
        batch_size: int = 64,
        learning_rate: float = 2e-3,
        weight_decay: float = 1e-2,
        device: torch.device | str | None = None,
    ) -> None:
        self.channels = channels
        self.steps = steps
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.weight_decay = weight_decay
        self.device = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))

    def __call__(
        self, images: Tensor, targets: Tensor, weights: Tensor, seed: int, transform: Callable[[Tensor], Tensor] | None
    ) -> Predict:
        """Train one classifier.

        Args:
            images: ``[N, C, H, W]`` in [-1, 1].
            targets: probability ``[N]`` that an image belongs to the rare group; 0 or 1 where it is known.
            weights: relative frequency ``[N]`` of each image in the draws.
            seed: seed of the initial weights and of the draws.
            transform: random change of a batch ``[B, C, H, W]`` (classical augmentation), from torch's generator.

        Returns:
            Function from images to the probability of the rare group.
        """
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            network = self._network(images).to(self.device).train()
            optimizer = torch.optim.AdamW(network.parameters(), self.learning_rate, weight_decay=self.weight_decay)
            schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, self.learning_rate, self.steps)
            for _ in range(self.steps):
                rows = torch.multinomial(weights, self.batch_size, replacement=True)
                batch = images[rows] if transform is None else transform(images[rows])
                logits = network(batch.to(self.device)).flatten()
                loss = F.binary_cross_entropy_with_logits(logits, targets[rows].to(self.device))
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                schedule.step()
        network.eval()

        @torch.inference_mode()
        def predict(x: Tensor) -> np.ndarray:
            parts = [network(part.to(self.device)).flatten().sigmoid().cpu() for part in x.split(256)]
            return torch.cat(parts).double().numpy()

        return predict

    def _network(self, images: Tensor) -> nn.Module:
        return Classifier(images.shape[1:], classes=1, channels=self.channels, strides=(2, 2, 2, 2), norm="batch")
