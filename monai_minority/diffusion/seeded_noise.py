"""Noise that depends on the seed of an image, not on its batch."""

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor


class SeededNoise:
    """One random stream per image. The noise of an image depends on its seed only.

    The streams are on the CPU. A seed gives the same bits on every device, in every batch and in every process.

    Args:
        seeds: integer seeds ``[B]``, one per image.
        shape: shape ``(C, H, W)`` of an image.
        device: device of the returned noise.

    Raises:
        ValueError: if there is no seed.

    Example:
        >>> from monai_minority.diffusion import SeededNoise
        >>> pair, alone = SeededNoise([7, 8], (1, 4, 4)), SeededNoise([8], (1, 4, 4))
        >>> first = pair()
        >>> first.shape, bool((first[1] == alone()[0]).all())
        (torch.Size([2, 1, 4, 4]), True)
        >>> pair.integers(10).shape
        torch.Size([2])
    """

    def __init__(self, seeds: Iterable[int] | Tensor, shape: Sequence[int], device: torch.device | str = "cpu") -> None:
        values = seeds.tolist() if isinstance(seeds, Tensor) else list(seeds)
        if not values:
            raise ValueError("seeds must hold one seed an image, got none.")
        self._streams = [torch.Generator().manual_seed(int(seed)) for seed in values]
        self._shape = tuple(int(size) for size in shape)
        self._device = torch.device(device)

    def __call__(self) -> Tensor:
        """Draw the next standard normal noise of every stream, float32 ``[B, C, H, W]``."""
        noise = torch.empty(
            len(self._streams), *self._shape, pin_memory=self._device.type == "cuda" and torch.cuda.is_available()
        )
        for image, stream in zip(noise, self._streams, strict=True):
            image.normal_(generator=stream)
        return noise.to(self._device, non_blocking=True)

    def integers(self, high: int) -> Tensor:
        """Draw the next integer of every stream, uniform in ``0 ... high - 1``, int64 ``[B]``."""
        drawn = [torch.randint(high, (), generator=stream) for stream in self._streams]
        return torch.stack(drawn).to(self._device)
