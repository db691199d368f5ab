"""Noise that belongs to an image, not to the batch it rides in."""

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor


class SeededNoise:
    """One random stream an image, so that its noise depends on its seed and on nothing else.

    The streams live on the CPU: the same seed gives the same bits on every device, in any batch and in any
    process.

    Args:
        seeds: integer seeds ``[B]``, one an image.
        shape: shape ``(C, H, W)`` of one image.
        device: where the noise is wanted.

    Raises:
        ValueError: if there is no seed.
    """

    def __init__(self, seeds: Iterable[int] | Tensor, shape: Sequence[int], device: torch.device | str = "cpu") -> None:
        values = seeds.tolist() if isinstance(seeds, Tensor) else list(seeds)
        if not values:
            raise ValueError("seeds must hold one seed an image, got none.")
        self._streams = [torch.Generator().manual_seed(int(seed)) for seed in values]
        self._shape = tuple(int(size) for size in shape)
        self._device = torch.device(device)

    def __call__(self) -> Tensor:
        """The next standard normal noise of every stream, float32 ``[B, C, H, W]``."""
        noise = torch.empty(
            len(self._streams),
            *self._shape,
            pin_memory=self._device.type == "cuda" and torch.cuda.is_available(),
        )
        for image, stream in zip(noise, self._streams, strict=True):
            image.normal_(generator=stream)
        return noise.to(self._device, non_blocking=True)

    def integers(self, high: int) -> Tensor:
        """The next integer of every stream, uniform in ``0 … high - 1``: int64 ``[B]``."""
        drawn = [torch.randint(high, (), generator=stream) for stream in self._streams]
        return torch.stack(drawn).to(self._device)
