"""Batches of random crops for self-distillation, which depend on the seed and the step alone."""

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
        crops: sizes and changes of the crops.
        seed: seed of the crops. They are drawn for the whole batch over all processes and cut on the device.

    Example:
        >>> import torch
        >>> from monai_minority.training import CropsPrepareBatch
        >>> from monai_minority.transforms import MultiCrop
        >>> prepare = CropsPrepareBatch(MultiCrop(size=16, small_size=8, num_small=3))
        >>> batch = {"image": torch.zeros(4, 1, 20, 20), "index": torch.arange(4), "step": 0, "offset": 0, "total": 4}
        >>> views, rows = prepare(batch)
        >>> list(views.large.shape), list(views.small.shape), rows.tolist()
        ([2, 4, 1, 16, 16], [3, 4, 1, 8, 8], [0, 1, 2, 3])
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
        """Crops, and the images' rows in their store ``[B]``. The rows take the place of targets and are not used."""
        images = batchdata[Key.IMAGE].to(device=device, non_blocking=non_blocking, **kwargs)
        generator = torch.Generator().manual_seed(step_seed(self.seed, batchdata["step"]))
        views = self.crops(images, generator, batchdata["total"], batchdata["offset"])
        return views, batchdata[Key.INDEX]
