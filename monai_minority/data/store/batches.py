"""Batches of a store, in an order that depends only on the seed and the step."""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset, Sampler

from monai_minority.data.store.image_store import ImageStore
from monai_minority.data.store.real_or_generated import RealOrGenerated
from monai_minority.keys import Key
from monai_minority.process import number_and_count


class BatchPlan(NamedTuple):
    """The images that one process reads at one step.

    Attributes:
        step: training step, from 0, the same in every process.
        indices: rows of the store that this process reads.
        offset: position of these rows in the whole batch of all processes.
        total: size of the whole batch.

    Example:
        >>> from monai_minority.data import ShuffledBatches
        >>> plan = ShuffledBatches(num_items=100, batch_size=8, rank=1, world_size=2).plan(step=5)
        >>> plan.step, len(plan.indices), plan.offset, plan.total
        (5, 4, 4, 8)
    """

    step: int
    indices: np.ndarray
    offset: int
    total: int


class StoreBatches(Dataset):
    """A dataset whose items are whole batches: ``dataset[BatchPlan]`` is a dictionary, made by one vectorised read.

    Use it with ``DataLoader(dataset, sampler=ShuffledBatches(…), batch_size=None)``.

    Args:
        store: the images.
        columns: numeric columns of the table to add to each batch, each as a tensor ``[B]``.
        first_seed: add a seed for each image, ``first_seed`` plus its row in the whole store. ``None``: no seeds.

    Raises:
        ValueError: a column is not in the store's table or is not numeric.

    Example:
        >>> import tempfile, numpy as np
        >>> from monai_minority.data import BatchPlan, ImageStore, StoreBatches
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     pixels = np.zeros((3, 1, 2, 2), np.uint8)
        ...     store = ImageStore.create(f"{folder}/store", pixels, {"minority_class": [0, 1, 2]}, (0, 255))
        ...     batch = StoreBatches(store, columns=["minority_class"], first_seed=7)[BatchPlan(0, [2, 0], 0, 2)]
        >>> batch["image"].shape, batch["minority_class"], batch["seed"]
        (torch.Size([2, 1, 2, 2]), tensor([2, 0]), tensor([9, 7]))
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
    """An endless stream of shuffled batches. Its ``n``-th batch depends only on ``seed`` and ``n``.

    To resume training after step ``n``, set :attr:`start` to ``n``: the same batches follow as without the
    interruption. Each pass over the data is a new permutation. Each process of a distributed run takes its own part
    of the same batch.

    Args:
        num_items: number of images.
        batch_size: size of the whole batch, over all processes.
        seed: seed of the permutations.
        rank: number of this process, from 0.
        world_size: number of processes.

    Raises:
        ValueError: ``batch_size`` is not a positive multiple of ``world_size``, or there are no images.

    Example:
        >>> from itertools import islice
        >>> from monai_minority.data import ShuffledBatches
        >>> one_pass = list(islice(ShuffledBatches(num_items=6, batch_size=2), 3))
        >>> sorted(int(row) for plan in one_pass for row in plan.indices)
        [0, 1, 2, 3, 4, 5]
        >>> resumed = ShuffledBatches(num_items=6, batch_size=2)
        >>> resumed.start = 2
        >>> (next(iter(resumed)).indices == one_pass[2].indices).all().item()
        True
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
    """Every image once, in order, for validation, scoring and other single passes.

    Args:
        num_items: number of images.
        batch_size: largest batch of one process.
        rank: number of this process, from 0. It takes every ``world_size``-th batch.
        world_size: number of processes.
        skip: numbers of finished batches to skip.

    Raises:
        ValueError: ``batch_size`` is not positive.

    Example:
        >>> from monai_minority.data import OrderedBatches
        >>> [(plan.step, plan.indices.tolist()) for plan in OrderedBatches(num_items=5, batch_size=2, skip=[0])]
        [(1, [2, 3]), (2, [4])]
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
        """Skip finished batches, given by their numbers."""
        self.steps = [step for step in self.steps if step not in set(done)]

    def __iter__(self) -> Iterator[BatchPlan]:
        for step in self.steps:
            indices = np.arange(step * self.batch_size, min((step + 1) * self.batch_size, self.num_items))
            yield BatchPlan(step, indices, 0, len(indices))

    def __len__(self) -> int:
        return len(self.steps)


def shuffled_loader(dataset: Dataset, batch_size: int, seed: int = 0) -> DataLoader:
    """An endless loader of :class:`ShuffledBatches` for training; each process of a distributed run reads its part.

    Args:
        dataset: a :class:`StoreBatches`.
        batch_size: size of the whole batch, over all processes.
        seed: seed of the permutations.

    Example:
        >>> import tempfile, numpy as np
        >>> from monai_minority.data import ImageStore, StoreBatches, shuffled_loader
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     pixels = np.zeros((5, 1, 2, 2), np.uint8)
        ...     store = ImageStore.create(f"{folder}/store", pixels, {"source": list("abcde")}, (0, 255))
        ...     batch = next(iter(shuffled_loader(StoreBatches(store), batch_size=4)))
        >>> batch["image"].shape
        torch.Size([4, 1, 2, 2])
    """
    sampler = ShuffledBatches(len(dataset), batch_size, seed, *number_and_count())  # type: ignore[arg-type]
    return DataLoader(dataset, sampler=sampler, batch_size=None)  # type: ignore[arg-type]


def ordered_loader(dataset: Dataset, batch_size: int, shared: bool = False) -> DataLoader:
    """A loader of :class:`OrderedBatches` that visits every image once.

    Args:
        dataset: a :class:`StoreBatches`, or another dataset whose items are batches.
        batch_size: largest batch.
        shared: whether the processes of a distributed run take the batches in turn. Otherwise each process reads all
            of them.

    Example:
        >>> import tempfile, numpy as np
        >>> from monai_minority.data import ImageStore, StoreBatches, ordered_loader
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     pixels = np.zeros((5, 1, 2, 2), np.uint8)
        ...     store = ImageStore.create(f"{folder}/store", pixels, {"source": list("abcde")}, (0, 255))
        ...     [batch["index"].tolist() for batch in ordered_loader(StoreBatches(store), batch_size=2)]
        [[0, 1], [2, 3], [4]]
    """
    rank, world_size = number_and_count() if shared else (0, 1)
    sampler = OrderedBatches(len(dataset), batch_size, rank, world_size)  # type: ignore[arg-type]
    return DataLoader(dataset, sampler=sampler, batch_size=None)  # type: ignore[arg-type]
