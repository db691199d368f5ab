"""Batches for training on noised images: the noise of a step depends on the seed and the step alone."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import torch
from monai.engines import PrepareBatch
from torch import Tensor

from monai_minority.diffusion import TimestepSampler, UniformTimestepSampler
from monai_minority.keys import Key


def step_seed(seed: int, step: int) -> int:
    """Seed of one training step; distinct steps and seeds give independent streams."""
    return int(np.random.SeedSequence((seed, step)).generate_state(1, np.uint64)[0] >> 1)


class DenoisingTargets(NamedTuple):
    """What a denoising loss compares the network's output with; its fields are in the order of the batch."""

    images: Tensor
    """Clean images ``[B, C, H, W]`` in [-1, 1]."""
    noise: Tensor
    """Standard normal, like ``images``."""
    timesteps: Tensor
    """Training indices ``[B]``."""
    weights: Tensor
    """Weight ``[B]`` of each image's loss; 1 where timesteps are drawn uniformly."""


class NoisingPrepareBatch(PrepareBatch):
    """Draws noise and timesteps for a batch and hands them to the inferer.

    The draws are made for the whole batch over all processes and sliced, so they do not depend on the number of
    processes, and a resumed run draws what it would have drawn. Batches come from
    :class:`~monai_minority.data.StoreBatches`; where they have ``class_label``, the network gets it.

    Args:
        num_train_timesteps: T; timesteps are drawn from ``0 … T-1``.
        seed: of timesteps, noise and flips.
        flip: mirror each image left to right with probability 1/2.
        target: column that the loss compares with; ``None`` trains a denoiser, whose targets are
            :class:`DenoisingTargets`.
        timestep_sampler: draws timesteps and weights, from the step's own random numbers; ``None`` draws
            uniformly. One that learns from losses belongs to the :class:`DenoisingLoss` too.
        other_labels: number of class labels, of which one is drawn uniformly beside each image's own, for
            :class:`ClassBalancingLoss`; ``None`` draws none.
    """

    def __init__(
        self,
        num_train_timesteps: int,
        seed: int = 0,
        flip: bool = False,
        target: str | None = None,
        timestep_sampler: TimestepSampler | None = None,
        other_labels: int | None = None,
    ) -> None:
        self.seed = seed
        self.flip = flip
        self.target = target
        self.other_labels = other_labels
        self.timestep_sampler = timestep_sampler or UniformTimestepSampler(num_train_timesteps)

    def __call__(
        self,
        batchdata: Mapping[str, Any],
        device: str | torch.device | None = None,
        non_blocking: bool = False,
        **kwargs: Any,
    ) -> tuple[Tensor, Any, tuple[()], dict[str, Tensor]]:
        images: Tensor = batchdata[Key.IMAGE]
        total, offset = batchdata["total"], batchdata["offset"]
        mine = slice(offset, offset + len(images))
        generator = torch.Generator().manual_seed(step_seed(self.seed, batchdata["step"]))
        timesteps, weights = self.timestep_sampler.sample(total, generator=generator)
        noise = torch.randn((total, *images.shape[1:]), generator=generator)[mine]
        if self.flip:
            flipped = (torch.rand(total, generator=generator) < 0.5)[mine]
            images = torch.where(flipped[:, None, None, None], images.flip(-1), images)

        def move(x: Tensor) -> Tensor:
            return x.to(device=device, non_blocking=non_blocking, **kwargs)

        images, noise, timesteps, weights = map(move, (images, noise, timesteps[mine], weights[mine]))
        call = {"noise": noise, "timesteps": timesteps}
        if Key.CLASS_LABEL in batchdata:
            call["class_labels"] = move(batchdata[Key.CLASS_LABEL].long())
        if self.other_labels is not None:
            call["other_labels"] = move(torch.randint(self.other_labels, (total,), generator=generator)[mine])
        targets: Any = DenoisingTargets(images, noise, timesteps, weights)
        if self.target is not None:
            targets = move(batchdata[self.target].long())
        return images, targets, (), call
