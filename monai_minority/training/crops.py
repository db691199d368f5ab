"""Batches for self-distillation: crops that depend on the seed and the step alone."""

from collections.abc import Mapping
from typing import Any

import torch
from monai.engines import PrepareBatch
from torch import Tensor

from monai_minority.keys import Key
from monai_minority.training.noising import step_seed
from monai_minority.transforms import MultiCrop, Views


class CropsPrepareBatch(PrepareBatch):
    """Cuts a batch of :class:`~monai_minority.data.StoreBatches` into random crops.

    Args:
        crops: what is cut.
        seed: of the crops. They are drawn for the whole batch over all processes and cut on the device.
    """

    def __init__(self, crops: MultiCrop, seed: int = 0) -> None:
        self.crops = crops
        self.seed = seed

    def __call__(
        self,
        batchdata: Mapping[str, Any],
        device: str | torch.device | None = None,
        non_blocking: bool = False,
        **kwargs: Any,
    ) -> tuple[Views, Tensor]:
        """Crops, and in place of targets, which there are none of, the rows of the images in their store ``[B]``."""
        images = batchdata[Key.IMAGE].to(device=device, non_blocking=non_blocking, **kwargs)
        generator = torch.Generator().manual_seed(step_seed(self.seed, batchdata["step"]))
        views = self.crops(images, generator, batchdata["total"], batchdata["offset"])
        return views, batchdata[Key.INDEX]
