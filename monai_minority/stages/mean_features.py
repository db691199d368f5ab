"""Mean features of noised training images, which low-density guidance without labels moves away from."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from monai_minority.data import ImageStore
from monai_minority.data.store.image_store import evenly
from monai_minority.diffusion import SeededNoise


@torch.no_grad()
def mean_features(
    network: Callable[[Tensor, Tensor], Tensor],
    images: ImageStore,
    scheduler: Any,
    device: torch.device | str = "cpu",
    max_images: int = 1000,
    batch_size: int = 64,
) -> Tensor:
    """Mean of the features of images, each noised at a timestep of its own, drawn uniformly.

    Args:
        network: from noisy images ``[B, C, H, W]`` and timesteps to features ``[B, F]``.
        images: clean images, normally of the training split.
        scheduler: noise schedule.
        device: where the network is.
        max_images: at most so many, evenly over the store.
        batch_size: images at a time; the result does not depend on it beyond rounding.

    Returns:
        float32 ``[1, F]`` on the CPU.
    """
    rows = torch.from_numpy(evenly(len(images), max_images))
    total: Tensor | None = None
    for part in rows.split(batch_size):
        streams = SeededNoise(part, images.image_shape, device)
        timesteps = streams.integers(scheduler.num_train_timesteps)
        x_t = scheduler.add_noise(images.batch(part).to(device), streams(), timesteps)
        features = network(x_t, scheduler.network_timesteps(timesteps)).double().sum(0)
        total = features if total is None else total + features
    assert total is not None
    return (total / len(rows)).float().cpu()[None]
