"""Batches of images that are mirrored at random, as the seed and the step alone decide."""

from collections.abc import Mapping
from typing import Any

import torch
from monai.engines import PrepareBatch
from torch import Tensor

from monai_minority.keys import Key
from monai_minority.training.noising import step_seed


class AugmentingPrepareBatch(PrepareBatch):
    """Images, mirrored or not, as input and as target: for what learns to give its input back.

    The draws are made for the whole batch over all processes and sliced, so they do not depend on the number of
    processes, and a resumed run draws what it would have drawn.

    Args:
        seed: of the flips.
        flip: mirror each image left to right with probability 1/2.
    """

    def __init__(self, seed: int = 0, flip: bool = True) -> None:
        self.seed = seed
        self.flip = flip

    def __call__(
        self,
        batchdata: Mapping[str, Any],
        device: str | torch.device | None = None,
        non_blocking: bool = False,
        **kwargs: Any,
    ) -> tuple[Tensor, Tensor]:
        """The images ``[B, C, H, W]`` in [-1, 1] of a batch of :class:`~monai_minority.data.StoreBatches`, twice."""
        images: Tensor = batchdata[Key.IMAGE]
        if self.flip:
            generator = torch.Generator().manual_seed(step_seed(self.seed, batchdata["step"]))
            flipped = torch.rand(batchdata["total"], generator=generator) < 0.5
            mine = flipped[batchdata["offset"] : batchdata["offset"] + len(images)]
            images = torch.where(mine[:, None, None, None], images.flip(-1), images)
        images = images.to(device=device, non_blocking=non_blocking, **kwargs)
        return images, images
