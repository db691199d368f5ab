"""Results a batch at a time: what is kept, what is left to do, and what is thrown away."""

import numpy as np
import pytest
import torch
from monai.engines import SupervisedEvaluator
from torch.utils.data import DataLoader

from monai_minority.data import BatchPlan, OrderedBatches
from monai_minority.run import ResultParts


class Numbers(torch.utils.data.Dataset):
    """Image ``i`` is the number ``i``."""

    def __len__(self):
        return 11

    def __getitem__(self, plan: BatchPlan):
        return {"image": torch.from_numpy(plan.indices).float()[:, None], "step": plan.step}


class Square(torch.nn.Module):
    def __init__(self, fail_at=None):
        super().__init__()
        self.fail_at, self.seen = fail_at, []

    def forward(self, x):
        if self.fail_at in x.flatten().tolist():
            raise KeyboardInterrupt
        self.seen += x.flatten().tolist()
        return x * x


def run(folder, network, fingerprint="a" * 64, batch_size=3, rank=0, world_size=1):
    parts = ResultParts(folder, fingerprint, batch_size)
    sampler = OrderedBatches(11, batch_size, rank, world_size)
    evaluator = SupervisedEvaluator(
        device=torch.device("cpu"),
        val_data_loader=DataLoader(Numbers(), sampler=sampler, batch_size=None),
        network=network,
        decollate=False,
    )
    parts.run(evaluator)
    return parts


EXPECTED = np.arange(11.0)[:, None] ** 2


def test_an_interrupted_run_does_the_remaining_batches_only(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "parts", Square(fail_at=7))
    assert ResultParts(tmp_path / "parts", "a" * 64, 3).done == [0, 1]
    network = Square()
    parts = run(tmp_path / "parts", network)
    assert network.seen == [6, 7, 8, 9, 10]
    assert np.concatenate([*parts.batches(11)]).tolist() == EXPECTED.tolist()
    network = Square()
    run(tmp_path / "parts", network)
    assert network.seen == [], "all is done"
    parts.delete()
    assert not (tmp_path / "parts").exists()


@pytest.mark.parametrize("change", [{"fingerprint": "b" * 64}, {"batch_size": 4}])
def test_parts_of_other_settings_or_of_other_batches_are_dropped(tmp_path, change):
    old = run(tmp_path / "parts", Square())
    network = Square()
    parts = run(tmp_path / "parts", network, **change)
    assert network.seen == list(range(11))
    assert np.concatenate([*parts.batches(11)]).tolist() == EXPECTED.tolist()
    assert old.done == []


def test_processes_share_a_folder(tmp_path):
    networks = Square(), Square()
    run(tmp_path / "parts", networks[0], rank=0, world_size=2)
    with pytest.raises(RuntimeError, match="holds 6 of 11 results; run the stage again"):
        list(ResultParts(tmp_path / "parts", "a" * 64, 3).batches(11))
    parts = run(tmp_path / "parts", networks[1], rank=1, world_size=2)
    assert networks[0].seen == [0, 1, 2, 6, 7, 8]
    assert networks[1].seen == [3, 4, 5, 9, 10]
    assert np.concatenate([*parts.batches(11)]).tolist() == EXPECTED.tolist()


def test_what_a_killed_process_left_half_written_does_not_count(tmp_path):
    parts = run(tmp_path / "parts", Square())
    (parts.folder / ".00000004.npy.123").write_bytes(b"half")
    assert parts.done == [0, 1, 2, 3]


def test_nothing_at_all_is_told_as_such(tmp_path):
    with pytest.raises(RuntimeError, match="holds 0 of 11"):
        list(ResultParts(tmp_path / "parts", "a" * 64, 3).batches(11))
