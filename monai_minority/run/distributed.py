"""Several processes on one run, as ``torchrun`` starts them; a single one is the first of one."""

import ctypes
import os
import sys
from collections.abc import Callable
from datetime import timedelta
from typing import Any, TypeVar

import torch
from monai.utils import set_determinism

from monai_minority.process import number_and_count

Result = TypeVar("Result")

_TRIM_THRESHOLD, _MMAP_THRESHOLD, _ARENA_MAX = -1, -3, -8  # of malloc.h


def start(seed: int) -> None:
    """Seed every generator, keep memory, and join the other processes where ``torchrun`` started them, be it one.

    The C library of Linux returns large pieces of memory to the system when they are freed, and the system clears them
    when they are asked for again, at every layer of a network. Here they are kept, unless a variable of the
    environment (``MALLOC_…``, ``GLIBC_TUNABLES``) says how memory is kept.

    Args:
        seed: of the run.

    Raises:
        ValueError: ``srun`` started several processes without ``torchrun``.

    Example:
        >>> import torch
        >>> from monai_minority.run import start
        >>> start(0)
        >>> first = torch.rand(1)
        >>> start(0)
        >>> torch.equal(torch.rand(1), first)
        True
    """
    set_determinism(seed)
    _keep_memory()
    # MONAI's determinism forbids cuDNN's autotuner; that is kept, exact repetition is promised.
    _, processes = number_and_count()
    tasks = int(os.environ.get("SLURM_STEP_NUM_TASKS", 1))
    if tasks > 1 and "WORLD_SIZE" not in os.environ:
        raise ValueError(
            f"srun started {tasks} processes that know nothing of each other, and each would do the whole work; start "
            "one torchrun a node, as in docs/several_processes.md, or one process: srun --ntasks 1"
        )
    launched = processes > 1 or torch.distributed.is_torchelastic_launched()
    if launched and not torch.distributed.is_initialized():
        if torch.cuda.is_available():
            torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", 0)))
        # The others wait while the first process does alone what is not shared, which may take hours.
        backend = "nccl" if torch.cuda.is_available() else "gloo"
        torch.distributed.init_process_group(backend, timeout=timedelta(days=7))
        if torch.distributed.get_rank() == 0:
            print(f"joined a process group of {processes} by {backend}")


def _keep_memory() -> None:
    if sys.platform == "linux" and not any(name.startswith(("MALLOC_", "GLIBC_TUNABLES")) for name in os.environ):
        mallopt = getattr(ctypes.CDLL(None), "mallopt", None)  # other C libraries of Linux lack it
        if mallopt is not None:
            mallopt(_MMAP_THRESHOLD, 2**30)
            mallopt(_TRIM_THRESHOLD, 2**31 - 1)
            mallopt(_ARENA_MAX, 1)  # the arenas of other threads keep no large pieces


def is_main() -> bool:
    """Whether this process is the first, which alone writes what is not shared.

    Example:
        >>> from monai_minority.run import is_main
        >>> is_main()
        True
    """
    return number_and_count()[0] == 0


def rank_and_size() -> tuple[int, int]:
    """The number of this process, and how many there are.

    Example:
        >>> from monai_minority.run.distributed import rank_and_size
        >>> rank_and_size()
        (0, 1)
    """
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        return torch.distributed.get_rank(), torch.distributed.get_world_size()
    return 0, 1


def barrier() -> None:
    """Wait for all processes of a distributed run.

    Example:
        >>> from monai_minority.run import barrier
        >>> barrier()  # returns at once in a single process
    """
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        torch.distributed.barrier()


def by_first_process(decide: Callable[[], Result]) -> Result:
    """Call in the first process of a distributed run alone, and give every process what it returned there.

    Example:
        >>> from monai_minority.run import by_first_process
        >>> by_first_process(lambda: 600)
        600
    """
    if not (torch.distributed.is_available() and torch.distributed.is_initialized()):
        return decide()
    decided: list[Any] = [decide() if torch.distributed.get_rank() == 0 else None]
    torch.distributed.broadcast_object_list(decided)
    return decided[0]


def parallel(network: torch.nn.Module) -> torch.nn.Module:
    """The network, wrapped for distributed training where ``torchrun`` started several processes.

    Example:
        >>> import torch
        >>> from monai_minority.run import parallel
        >>> network = torch.nn.Linear(1, 1)
        >>> parallel(network) is network  # in a single process
        True
    """
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        return torch.nn.parallel.DistributedDataParallel(network)
    return network
