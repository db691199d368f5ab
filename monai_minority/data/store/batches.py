"""Batches of a store, drawn in an order that depends on the seed and the step alone."""

import os
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset, Sampler

from monai_minority.data.store.image_store import ImageStore
from monai_minority.data.store.real_or_generated import RealOrGenerated
from monai_minority.keys import Key


class BatchPlan(NamedTuple):
    """Which images one process reads at one step.

    Attributes:
        step: training step, 0 the first, the same in every process.
        indices: rows of the store that this process reads.
        offset: where they stand in the whole batch that all processes share.
        total: size of that whole batch.
    """

    step: int
    indices: np.ndarray
    offset: int
    total: int


class StoreBatches(Dataset):
    """A store read a batch at a time: item ``BatchPlan -> dict`` in one vectorised read.

    Use it with ``DataLoader(dataset, sampler=ShuffledBatches(…), batch_size=None)``.

    Args:
        store: where the images are.
        columns: numeric table columns to hand over beside the images, each as a tensor ``[B]``.
        first_seed: hand over a seed for each image too, ``first_seed`` plus its row in the whole store.

    Raises:
        ValueError: a column is not in the store's table or is not numeric.
    """

    def __init__(
        self, store: ImageStore | RealOrGenerated, columns: Sequence[str] = (), first_seed: int | None = None
    ) -> None:
        self.store = store
        table = store.table
        self.columns: dict[str, torch.Tensor] = {}
        for name in columns:
            if name not in table:
                raise ValueError(
                    f"column {name!r} is not in the table of {store.path}; run the stage that writes it first"
                )
            values = table[name].to_numpy()
            if values.dtype.kind not in "iufb":
                raise ValueError(f"column {name!r} of {store.path} must be numeric, got {values.dtype}")
            self.columns[str(name)] = torch.from_numpy(values.copy())
        if first_seed is not None:
            self.columns[Key.SEED.value] = torch.from_numpy(store.rows + first_seed)

    def __len__(self) -> int:
        return len(self.store)

    def __getitem__(self, plan: BatchPlan) -> dict[str, Any]:
        indices = np.asarray(plan.indices)
        return {
            Key.IMAGE.value: self.store.batch(indices),
            Key.INDEX.value: torch.from_numpy(indices),
            "step": plan.step,
            "offset": plan.offset,
            "total": plan.total,
            **{name: values[indices] for name, values in self.columns.items()},
        }


class ShuffledBatches(Sampler[BatchPlan]):
    """An endless stream of shuffled batches whose ``n``-th element depends on ``seed`` and ``n`` alone.

    A training run that was killed after step ``n`` sets :attr:`start` to ``n`` and goes on with the batches it
    would have had. Every pass over the data is a new permutation, and each process of a distributed run takes
    its own slice of the same batch.

    Args:
        num_items: number of images.
        batch_size: size of the whole batch, over all processes.
        seed: of the permutations.
        rank: this process, and
        world_size: number of processes.

    Raises:
        ValueError: ``batch_size`` is not a positive multiple of ``world_size``, or there is no image.
    """

    def __init__(self, num_items: int, batch_size: int, seed: int = 0, rank: int = 0, world_size: int = 1) -> None:
        if num_items < 1:
            raise ValueError(f"num_items must be positive, got {num_items}")
        if batch_size < 1 or batch_size % world_size:
            raise ValueError(
                f"batch_size must be a positive multiple of the {world_size} process(es), got {batch_size}"
            )
        self.num_items = num_items
        self.batch_size = batch_size
        self.seed = seed
        self.rank = rank
        self.world_size = world_size
        self.start = 0
        self._passes: dict[int, np.ndarray] = {}

    def __iter__(self) -> Iterator[BatchPlan]:
        step = self.start
        while True:
            yield self.plan(step)
            step += 1

    def plan(self, step: int) -> BatchPlan:
        """The batch of one step."""
        share = self.batch_size // self.world_size
        offset = self.rank * share
        positions = step * self.batch_size + offset + np.arange(share)
        passes, places = np.divmod(positions, self.num_items)
        indices = np.empty(share, dtype=np.int64)
        for number in np.unique(passes):
            here = passes == number
            indices[here] = self._permutation(int(number))[places[here]]
        return BatchPlan(step, indices, offset, self.batch_size)

    def _permutation(self, number: int) -> np.ndarray:
        if number not in self._passes:
            order = np.random.default_rng((self.seed, number)).permutation(self.num_items)
            self._passes = {k: v for k, v in self._passes.items() if k >= number - 1} | {number: order}
        return self._passes[number]


class OrderedBatches(Sampler[BatchPlan]):
    """Every image once, in order: for validation, scoring and whatever else visits each image.

    Args:
        num_items: number of images.
        batch_size: largest batch of one process.
        rank: this process takes every ``world_size``-th batch, and
        world_size: number of processes.
        skip: numbers of the batches that are done already.
    """

    def __init__(
        self, num_items: int, batch_size: int, rank: int = 0, world_size: int = 1, skip: Sequence[int] = ()
    ) -> None:
        if batch_size < 1:
            raise ValueError(f"batch_size must be positive, got {batch_size}")
        self.num_items = num_items
        self.batch_size = batch_size
        self.steps = list(range(rank, -(-num_items // batch_size), world_size))
        self.skip(skip)

    def skip(self, done: Sequence[int]) -> None:
        """Leave out batches that are done already, by their numbers."""
        self.steps = [step for step in self.steps if step not in set(done)]

    def __iter__(self) -> Iterator[BatchPlan]:
        for step in self.steps:
            indices = np.arange(step * self.batch_size, min((step + 1) * self.batch_size, self.num_items))
            yield BatchPlan(step, indices, 0, len(indices))

    def __len__(self) -> int:
        return len(self.steps)


def shuffled_loader(dataset: Dataset, batch_size: int, seed: int = 0) -> DataLoader:
    """An endless loader of :class:`ShuffledBatches` for training; each process of a distributed run reads its share.

    Args:
        dataset: :class:`StoreBatches`.
        batch_size: size of the whole batch, over all processes.
        seed: of the permutations.
    """
    sampler = ShuffledBatches(len(dataset), batch_size, seed, *_process())  # type: ignore[arg-type]
    return DataLoader(dataset, sampler=sampler, batch_size=None)  # type: ignore[arg-type]


def ordered_loader(dataset: Dataset, batch_size: int, shared: bool = False) -> DataLoader:
    """A loader of :class:`OrderedBatches`, every image once.

    Args:
        dataset: :class:`StoreBatches`, or a plan that is read by its batches.
        batch_size: largest batch.
        shared: whether the processes of a distributed run take the batches in turn; otherwise each reads them all.
    """
    rank, world_size = _process() if shared else (0, 1)
    sampler = OrderedBatches(len(dataset), batch_size, rank, world_size)  # type: ignore[arg-type]
    return DataLoader(dataset, sampler=sampler, batch_size=None)  # type: ignore[arg-type]


def _process() -> tuple[int, int]:
    """This process among those that ``torchrun`` started, and how many there are."""
    return int(os.environ.get("RANK", 0)), int(os.environ.get("WORLD_SIZE", 1))
