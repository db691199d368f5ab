"""A classifier of noised images: of minority classes, of class labels, or of real and generated images."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from monai_minority.networks import save_weights
from monai_minority.run import is_main
from monai_minority.stages.training import Training
from monai_minority.training import NoiseLevelErrors


@dataclass(kw_only=True)
class TrainClassifier(Training):
    """Train a noise-aware classifier, and measure its accuracy by noise level in ``validation.csv``."""

    noise_levels: Sequence[int]

    config = "train_classifier"
    loss_tag = "cross_entropy"

    @property
    def leaves(self) -> Sequence[Path]:
        return [*super().leaves, self.folder.network(self.name) / "validation.csv"]

    def validation_handlers(self) -> Iterable[Any]:
        every = int(self.trainer.state.epoch_length or 1)
        return [NoiseLevelErrors(self.noise_levels, self.leaves[1], self.writer, is_main(), every)]

    def save(self, path: Path) -> None:
        save_weights(self.network, path)
