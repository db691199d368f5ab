"""The classifier of the rare group that :mod:`~monai_minority.evaluation.utility` trains in every arm."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np
import torch
from monai.networks.nets import Classifier
from torch import Tensor, nn
from torch.nn import functional as F

Predict: TypeAlias = Callable[[Tensor], np.ndarray]
"""From images ``[B, C, H, W]`` in [-1, 1] to the probability of the rare group ``[B]``."""


@dataclass(frozen=True)
class RareClassifier:
    """Trains a small convolutional network to distinguish the rare group from the others.

    The network is MONAI's ``Classifier`` with four residual levels of stride 2. AdamW minimises the binary
    cross-entropy with a one-cycle learning rate. Each call trains a new network from its seed, for the same number of
    steps whatever the images. Its ``repr`` has every setting that results depend on.

    Args:
        channels: channels of the four levels.
        steps: number of training steps.
        batch_size: images in a step, drawn with replacement in proportion to their weights.
        learning_rate: highest learning rate of the cycle.
        weight_decay: weight decay of AdamW.
        device: device of the training; ``None`` takes a CUDA device if there is one.

    Example:
        >>> import torch
        >>> from monai_minority.evaluation.rare_classifier import RareClassifier
        >>> images = torch.rand(8, 1, 16, 16)
        >>> train = RareClassifier(channels=(2, 2, 2, 2), steps=2, batch_size=4)
        >>> predict = train(images, torch.tensor([0.0, 1.0] * 4), torch.ones(8), seed=0, transform=None)
        >>> predict(images).shape
        (8,)
    """

    channels: Sequence[int] = (16, 32, 64, 64)
    steps: int = 600
    batch_size: int = 64
    learning_rate: float = 2e-3
    weight_decay: float = 1e-2
    device: torch.device | str | None = field(default=None, repr=False)

    def __call__(
        self,
        images: Tensor,
        targets: Tensor,
        weights: Tensor,
        seed: int,
        transform: Callable[[Tensor], Tensor] | None,
        before: tuple[Tensor, Tensor] | None = None,
    ) -> Predict:
        """Train one classifier.

        Args:
            images: ``[N, C, H, W]`` in [-1, 1].
            targets: probability ``[N]`` that an image belongs to the rare group; 0 or 1 where it is known.
            weights: relative frequency ``[N]`` of each image in the draws.
            seed: seed of the initial weights and of the draws.
            transform: random change of a batch ``[B, C, H, W]`` (classical augmentation), from torch's generator.
            before: other images and their targets, which alone are learned from in the first half of the steps.

        Returns:
            Function from images to the probability of the rare group.
        """
        device = torch.device(self.device or ("cuda" if torch.cuda.is_available() else "cpu"))
        given = (images, targets, weights)
        first = given if before is None else (*before, torch.ones(len(before[0])))
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            network = self._network(images).to(device).train()
            optimizer = torch.optim.AdamW(network.parameters(), self.learning_rate, weight_decay=self.weight_decay)
            schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, self.learning_rate, self.steps)
            for step in range(self.steps):
                drawn, wanted, frequency = first if step < self.steps // 2 else given
                rows = torch.multinomial(frequency, self.batch_size, replacement=True)
                batch = drawn[rows] if transform is None else transform(drawn[rows])
                logits = network(batch.to(device)).flatten()
                loss = F.binary_cross_entropy_with_logits(logits, wanted[rows].to(device))
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                schedule.step()
        network.eval()

        @torch.inference_mode()
        def predict(x: Tensor) -> np.ndarray:
            parts = [network(part.to(device)).flatten().sigmoid().cpu() for part in x.split(256)]
            return torch.cat(parts).double().numpy()

        return predict

    def _network(self, images: Tensor) -> nn.Module:
        return Classifier(images.shape[1:], classes=1, channels=self.channels, strides=(2, 2, 2, 2), norm="batch")
