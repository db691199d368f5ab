"""Batches for training on noised images, whose noise depends on the seed and the step alone."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import torch
from monai.engines import PrepareBatch
from torch import Tensor

from monai_minority.diffusion import TimestepSampler, UniformTimestepSampler
from monai_minority.keys import Column, Key
from monai_minority.networks.score_conditioned import NO_RANK


def step_seed(seed: int, step: int) -> int:
    """Seed of one training step; distinct steps and seeds give independent streams."""
    return int(np.random.SeedSequence((seed, step)).generate_state(1, np.uint64)[0] >> 1)


class DenoisingTargets(NamedTuple):
    """Targets of a denoising loss, in the order of the batch.

    Example:
        >>> import torch
        >>> from monai_minority.training import DenoisingTargets
        >>> images = torch.zeros(2, 1, 4, 4)
        >>> targets = DenoisingTargets(images, torch.randn_like(images), torch.tensor([0, 999]), torch.ones(2))
        >>> targets.timesteps.tolist()
        [0, 999]
    """

    images: Tensor
    """Clean images ``[B, C, H, W]`` in [-1, 1]."""
    noise: Tensor
    """Standard normal noise, in the shape of ``images``."""
    timesteps: Tensor
    """Training indices ``[B]``."""
    weights: Tensor
    """Weight ``[B]`` of each image's loss; 1 where timesteps are drawn uniformly."""


class NoisingPrepareBatch(PrepareBatch):
    """Draws noise and timesteps for a batch and passes them to the inferer.

    Random numbers are drawn for the whole batch over all processes and then sliced. They do not depend on the number
    of processes, and a resumed run draws the same ones. Batches come from
    :class:`~monai_minority.data.StoreBatches`. The network also gets ``class_label`` and ``score_rank`` where they have
    them.

    Args:
        num_train_timesteps: T; timesteps are drawn from ``0 … T-1``.
        seed: seed of timesteps, noise and flips.
        flip: whether to mirror each image left to right with probability 1/2.
        target: column with the targets of the loss; ``None`` trains a denoiser, whose targets are
            :class:`DenoisingTargets`.
        timestep_sampler: sampler of timesteps and weights, which uses the step's own random numbers; ``None`` draws
            uniformly. A sampler that learns from losses must also be given to the :class:`DenoisingLoss`.
        other_labels: number of class labels. One of them is drawn uniformly for each image, beside its own, for
            :class:`ClassBalancingLoss`; ``None`` draws none.
        rank_drop: share of the images whose rank is replaced by the null condition, where batches have ranks.

    Raises:
        ValueError: ``rank_drop`` is outside [0, 1].

    Example:
        >>> import torch
        >>> from monai_minority.training import NoisingPrepareBatch
        >>> prepare = NoisingPrepareBatch(num_train_timesteps=1000, seed=1)
        >>> batch = {"image": torch.zeros(3, 1, 4, 4), "step": 7, "offset": 0, "total": 3}
        >>> images, targets, args, call = prepare(batch)
        >>> list(call), torch.equal(call["noise"], targets.noise), targets.weights.tolist()
        (['noise', 'timesteps'], True, [1.0, 1.0, 1.0])
        >>> part = prepare(batch | {"image": torch.zeros(1, 1, 4, 4), "offset": 2})[1]  # of another process
        >>> torch.equal(part.noise, targets.noise[2:])
        True
    """

    def __init__(
        self,
        num_train_timesteps: int,
        seed: int = 0,
        flip: bool = False,
        target: str | None = None,
        timestep_sampler: TimestepSampler | None = None,
        other_labels: int | None = None,
        rank_drop: float = 0.1,
    ) -> None:
        if not 0 <= rank_drop <= 1:
            raise ValueError(f"rank_drop must be a share in [0, 1], got {rank_drop}.")
        self.seed = seed
        self.flip = flip
        self.target = target
        self.other_labels = other_labels
        self.rank_drop = rank_drop
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
        if Column.SCORE_RANK in batchdata:
            dropped = (torch.rand(total, generator=generator) < self.rank_drop)[mine]
            call["ranks"] = move(batchdata[Column.SCORE_RANK].float().masked_fill(dropped, NO_RANK))
        targets: Any = DenoisingTargets(images, noise, timesteps, weights)
        if self.target is not None:
            targets = move(batchdata[self.target].long())
        return images, targets, (), call
