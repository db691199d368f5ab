"""The classifier of the rare group that :mod:`~monai_minority.evaluation.utility` trains again and again."""

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
    """Trains a small convolutional network to tell the rare group from the others.

    It is MONAI's ``Classifier``, four halvings of residual units, trained by AdamW on binary cross-entropy with a
    one-cycle learning rate. Each call trains anew from its seed, for the same number of steps whatever the images.

    Args:
        channels: of the four levels.
        steps: training steps.
        batch_size: images a step, drawn with replacement in proportion to their weights.
        learning_rate: the cycle's highest.
        weight_decay: of AdamW.
        device: where to train; ``None``: a CUDA device where there is one.
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
            targets: probability ``[N]`` that an image belongs to the rare group: 0 and 1 where it is known.
            weights: how often an image is drawn, ``[N]``, relative to the others.
            seed: of the first weights and of the draws.
            transform: changes a batch ``[B, C, H, W]`` at random (classical augmentation), from torch's generator.

        Returns:
            What gives the probability of the rare group.
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
