"""The diffusion backbone, from the stored images of the training split."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from ignite.handlers import EMAHandler
from monai.inferers import Inferer

from monai_minority.networks import save_weights
from monai_minority.run import is_main
from monai_minority.stages.training import Training
from monai_minority.training import AverageWarmUp, SampleGrid


@dataclass(kw_only=True)
class TrainBackbone(Training):
    """Train the diffusion network; what is kept is the average of its weights.

    Raises:
        ValueError: the later stages would read another file than the one written here.
    """

    average: EMAHandler  # of the weights
    ema_decay: float
    timestep_sampler: Any
    backbone_path: str | None = None  # where later stages look; ``None`` where this one is not for them
    grid_inferer: Inferer
    grid_shape: tuple[int, int, int]
    grid_every: int
    grid_labels: int | None = None  # in turn

    config = "train"

    def __post_init__(self) -> None:
        super().__post_init__()
        written = self.leaves[0]
        if self.backbone_path is not None and Path(self.backbone_path).resolve() != written.resolve():
            raise ValueError(
                f"backbone_path must be {written}, which `train` writes, got {self.backbone_path}; set it so, or leave "
                "the stage out (backbone_stages: []) to use the file there"
            )

    def kept(self) -> Mapping[str, Any]:
        return {"ema": self.average.ema_model, "timestep_sampler": self.timestep_sampler}

    def handlers(self) -> Iterable[Any]:
        return [AverageWarmUp(end=1 - self.ema_decay), self.average]

    def pictures(self) -> Iterable[Any]:
        labels = None if self.grid_labels is None else torch.arange(16) % self.grid_labels
        return [
            SampleGrid(
                self.grid_inferer,
                self.average.ema_model,
                self.grid_shape,
                self.writer,
                every=self.grid_every,
                class_labels=labels,
                enabled=is_main(),
            )
        ]

    def save(self, path: Path) -> None:
        save_weights(self.average.ema_model, path)
