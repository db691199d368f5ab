"""What MONAI's ``GanTrainer`` is fed with."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from monai_minority.engines.augmenting import AugmentingPrepareBatch


class RealImagesPrepareBatch(AugmentingPrepareBatch):
    """Real images ``[B, C, H, W]`` of a batch, mirrored or not, for the discriminator."""

    def __call__(self, batchdata: Mapping[str, Any], *args: Any, **kwargs: Any) -> Tensor:  # type: ignore[override]
        """The images in [-1, 1]."""
        return super().__call__(batchdata, *args, **kwargs)[0]


class RandomCodes:
    """Standard normal codes for the generator from PyTorch's global stream, which
    :class:`~monai_minority.handlers.StepSeed` seeds at every step.

    Args:
        count: codes of a batch. ``GanTrainer`` asks for as many as its loader says, which has no batch size here.
    """

    def __init__(self, count: int) -> None:
        self.count = count

    def __call__(
        self, latent_size: int, device: str | torch.device | None = None, non_blocking: bool = False, **kwargs: Any
    ) -> Tensor:
        """``[count, latent_size]``, drawn on the CPU, so that they are the same on every device."""
        return torch.randn(self.count, latent_size).to(device=device, non_blocking=non_blocking)
