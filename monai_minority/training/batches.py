"""Batches of a store as networks are trained on them; all that is random depends on the seed and the step alone."""

from abc import abstractmethod
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np
import torch
from monai.engines import PrepareBatch
from torch import Tensor

from monai_minority.diffusion import TimestepSampler, UniformTimestepSampler
from monai_minority.keys import Column, Key
from monai_minority.networks.score_conditioned import NO_RANK
from monai_minority.transforms import MultiCrop, Views


def step_seed(seed: int, step: int) -> int:
    """Seed of one training step; distinct steps and seeds give independent streams."""
    return int(np.random.SeedSequence((seed, step)).generate_state(1, np.uint64)[0] >> 1)


class StorePrepareBatch(PrepareBatch):
    """Prepares batches of :class:`~monai_minority.data.StoreBatches`."""

    def __call__(
        self,
        batchdata: Mapping[str, Any],
        device: str | torch.device | None = None,
        non_blocking: bool = False,
        **kwargs: Any,
    ) -> Any:
        return self.prepared(batchdata, lambda x: x.to(device=device, non_blocking=non_blocking, **kwargs))

    @abstractmethod
    def prepared(self, batch: Mapping[str, Any], move: Callable[[Tensor], Tensor]) -> Any:
        """What the engine gets of a batch; ``move`` brings a tensor to its device."""


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


class NoisingPrepareBatch(StorePrepareBatch):
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

    def prepared(
        self, batch: Mapping[str, Any], move: Callable[[Tensor], Tensor]
    ) -> tuple[Tensor, Any, tuple[()], dict[str, Tensor]]:
        """Images, targets of the loss, and what the inferer and the network get besides."""
        images: Tensor = batch[Key.IMAGE]
        total, offset = batch["total"], batch["offset"]
        mine = slice(offset, offset + len(images))
        generator = torch.Generator().manual_seed(step_seed(self.seed, batch["step"]))
        timesteps, weights = self.timestep_sampler.sample(total, generator=generator)
        noise = torch.randn((total, *images.shape[1:]), generator=generator)[mine]
        if self.flip:
            images = _mirrored(images, total, mine, generator)
        images, noise, timesteps, weights = map(move, (images, noise, timesteps[mine], weights[mine]))
        call = {"noise": noise, "timesteps": timesteps}
        if Key.CLASS_LABEL in batch:
            call["class_labels"] = move(batch[Key.CLASS_LABEL].long())
        if self.other_labels is not None:
            call["other_labels"] = move(torch.randint(self.other_labels, (total,), generator=generator)[mine])
        if Column.SCORE_RANK in batch:
            dropped = (torch.rand(total, generator=generator) < self.rank_drop)[mine]
            call["ranks"] = move(batch[Column.SCORE_RANK].float().masked_fill(dropped, NO_RANK))
        targets: Any = DenoisingTargets(images, noise, timesteps, weights)
        if self.target is not None:
            targets = move(batch[self.target].long())
        return images, targets, (), call


class LabelledPrepareBatch(StorePrepareBatch):
    """Gives images, one column as labels, and each image's seed for the inferer where the batch has seeds.

    The network also gets ``class_label`` where the batch has it and it is not what the network is to say.

    Args:
        target: column with the labels.

    Example:
        >>> import torch
        >>> from monai_minority.training import LabelledPrepareBatch
        >>> batch = {"image": torch.zeros(2, 1, 4, 4), "seed": torch.tensor([5, 6]), "disease": torch.tensor([0, 3])}
        >>> images, labels, args, call = LabelledPrepareBatch("disease")(batch)
        >>> labels.tolist(), call
        ([0, 3], {'seeds': tensor([5, 6])})
    """

    def __init__(self, target: str) -> None:
        self.target = target

    def prepared(
        self, batch: Mapping[str, Any], move: Callable[[Tensor], Tensor]
    ) -> tuple[Tensor, Tensor, tuple[()], dict[str, Tensor]]:
        """Images ``[B, C, H, W]``, labels ``[B]``, and what the inferer and the network get besides."""
        call = {"seeds": batch[Key.SEED]} if Key.SEED in batch else {}
        if Key.CLASS_LABEL in batch and self.target != Key.CLASS_LABEL:
            call["class_labels"] = move(batch[Key.CLASS_LABEL].long())
        return move(batch[Key.IMAGE]), move(batch[self.target].long()), (), call


class AugmentingPrepareBatch(StorePrepareBatch):
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

    def prepared(self, batch: Mapping[str, Any], move: Callable[[Tensor], Tensor]) -> tuple[Tensor, Tensor]:
        """Images ``[B, C, H, W]`` in [-1, 1], twice."""
        images: Tensor = batch[Key.IMAGE]
        if self.flip:
            generator = torch.Generator().manual_seed(step_seed(self.seed, batch["step"]))
            mine = slice(batch["offset"], batch["offset"] + len(images))
            images = _mirrored(images, batch["total"], mine, generator)
        images = move(images)
        return images, images


class CropsPrepareBatch(StorePrepareBatch):
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

    def prepared(self, batch: Mapping[str, Any], move: Callable[[Tensor], Tensor]) -> tuple[Views, Tensor]:
        """Crops, and the images' rows in their store ``[B]``. The rows take the place of targets and are not used."""
        generator = torch.Generator().manual_seed(step_seed(self.seed, batch["step"]))
        return self.crops(move(batch[Key.IMAGE]), generator, batch["total"], batch["offset"]), batch[Key.INDEX]


def _mirrored(images: Tensor, total: int, mine: slice, generator: torch.Generator) -> Tensor:
    """Images left to right with probability 1/2, drawn for all ``total`` of a batch, of which they are ``mine``."""
    flipped = (torch.rand(total, generator=generator) < 0.5)[mine]
    return torch.where(flipped[:, None, None, None], images.flip(-1), images)
