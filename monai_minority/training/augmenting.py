"""Batches of randomly mirrored images, which depend on the seed and the step alone."""

from collections.abc import Mapping
from typing import Any

import torch
from monai.engines import PrepareBatch
from torch import Tensor

from monai_minority.keys import Key
from monai_minority.training.noising import step_seed


class AugmentingPrepareBatch(PrepareBatch):
    """Gives images, mirrored or not, as input and as target, for a network that reconstructs its input.

    Random numbers are drawn for the whole batch over all processes and then sliced. They do not depend on the number
    of processes, and a resumed run draws the same ones.

    Args:
        seed: seed of the flips.
        flip: whether to mirror each image left to right with probability 1/2.

    Example:
        >>> import torch
        >>> from monai_minority.training import AugmentingPrepareBatch
        >>> images = torch.tensor([-1.0, 1.0]).expand(4, 1, 1, 2)
        >>> batch = {"image": images, "step": 0, "offset": 0, "total": 4}
        >>> inputs, targets = AugmentingPrepareBatch(seed=0)(batch)
        >>> inputs[:, 0, 0, 0].tolist()  # the left pixel, 1 where the image is mirrored
        [1.0, -1.0, -1.0, -1.0]
        >>> torch.equal(inputs, targets)
        True
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
        """Images ``[B, C, H, W]`` in [-1, 1] of a batch of :class:`~monai_minority.data.StoreBatches`, twice."""
        images: Tensor = batchdata[Key.IMAGE]
        if self.flip:
            generator = torch.Generator().manual_seed(step_seed(self.seed, batchdata["step"]))
            flipped = torch.rand(batchdata["total"], generator=generator) < 0.5
            mine = flipped[batchdata["offset"] : batchdata["offset"] + len(images)]
            images = torch.where(mine[:, None, None, None], images.flip(-1), images)
        images = images.to(device=device, non_blocking=non_blocking, **kwargs)
        return images, images
