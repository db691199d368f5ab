"""What every stage does first, in one process; several are tested with the pipeline."""

import random

import numpy as np
import pytest
import torch

from monai_minority.run import barrier, is_main, parallel, start


def test_seeds_every_generator():
    def draws(seed):
        start(seed)
        return random.random(), np.random.rand(), torch.rand(()).item()  # noqa: NPY002  (the global stream is meant)

    assert draws(3) == draws(3)
    assert all(a != b for a, b in zip(draws(3), draws(4), strict=True))


def test_srun_without_torchrun_is_refused(monkeypatch):
    """Each of its processes would take itself for the only one."""
    monkeypatch.setenv("SLURM_STEP_NUM_TASKS", "4")
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    with pytest.raises(ValueError, match="srun started 4 processes that know nothing of each other"):
        start(0)
    monkeypatch.setenv("SLURM_STEP_NUM_TASKS", "1")
    start(0)


def test_a_rank_without_others_is_the_only_process(monkeypatch):
    """It said nothing, owned nothing and ended with status 0."""
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    monkeypatch.setenv("RANK", "1")
    assert is_main()
    monkeypatch.setenv("WORLD_SIZE", "2")
    assert not is_main()


def test_one_process_is_not_wrapped_and_does_not_wait():
    network = torch.nn.Linear(1, 1)
    assert parallel(network) is network
    barrier()
