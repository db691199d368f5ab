"""The score's timestep, settled once and read by later stages."""

import json
import os
import socket
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
import torch

from monai_minority.data import ImageStore
from monai_minority.diffusion import RespacedDDPMScheduler
from monai_minority.scoring import L2, MinorityScore
from monai_minority.stages import read_timestep, settle_timestep


class HalfDenoiser(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.factor = torch.nn.Parameter(torch.tensor(0.5))

    def forward(self, x, timesteps):
        return self.factor * x


@pytest.fixture
def store(tmp_path):
    images = np.random.default_rng(0).integers(0, 256, (12, 1, 4, 4)).astype(np.uint8)
    return ImageStore.create(tmp_path / "store", images, {"source": range(12), "slice": 0}, (0, 255))


def score_at(timestep):
    return MinorityScore(HalfDenoiser(), RespacedDDPMScheduler(1000), L2(), timestep=timestep, draws=2)


def test_a_given_timestep_is_written_and_read(store, tmp_path):
    assert settle_timestep(score_at(600), store, tmp_path) == 600
    assert read_timestep(tmp_path) == 600
    assert json.loads((tmp_path / "timestep.json").read_text()) == {"timestep": 600, "criterion": None}
    assert not (tmp_path / "timestep.csv").exists()


def test_a_chosen_timestep_is_that_of_the_choice_and_has_its_curve(store, tmp_path):
    score, alone = score_at("auto"), score_at("auto")
    settled = settle_timestep(score, store, tmp_path, max_images=8, criterion="skewness", progress=False)
    rows = np.linspace(0, 11, 8).round().astype(int)
    expected = alone.choose_timestep(store.batch(rows), max_images=8, criterion="skewness", progress=False)
    assert settled == score.timestep == read_timestep(tmp_path) == expected.timestep
    curve = pd.read_csv(tmp_path / "timestep.csv")
    assert curve.loc[curve["chosen"], "timestep"].tolist() == [settled]
    np.testing.assert_allclose(curve["skewness"], expected.curve["skewness"], rtol=1e-6)
    assert json.loads((tmp_path / "timestep.json").read_text())["criterion"] == expected.criterion

    settle_timestep(score_at(300), store, tmp_path)
    assert not (tmp_path / "timestep.csv").exists(), "the curve of another choice is taken away"


def test_nothing_settled_yet(tmp_path):
    with pytest.raises(FileNotFoundError, match="timestep.json is missing; run the score stage first"):
        read_timestep(tmp_path)


PROCESS = """
import os, sys
from monai_minority.data import ImageStore
from monai_minority.run import start
from monai_minority.stages import settle_timestep
from tests.stages.test_timestep import score_at
start(0)
timestep = "auto" if os.environ["RANK"] == "0" else 33
print(settle_timestep(score_at(timestep), ImageStore.open(sys.argv[1]), sys.argv[2], progress=False))
"""


def test_the_first_of_two_processes_chooses_and_writes_alone(store, tmp_path):
    """The second would take another timestep and has another folder: it is told, and leaves its folder empty."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    shared = os.environ | {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    shared |= {"CUDA_VISIBLE_DEVICES": "", "OMP_NUM_THREADS": "1"}
    processes = []
    for rank in "01":
        (tmp_path / rank).mkdir()
        command = [sys.executable, "-c", PROCESS, str(store.path), str(tmp_path / rank)]
        environment = shared | {"RANK": rank}
        processes.append(subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True))
    try:
        said = [int(process.communicate(timeout=120)[0].splitlines()[-1]) for process in processes]
    finally:
        for process in processes:
            process.kill()
    assert said == [read_timestep(tmp_path / "0")] * 2
    assert {path.name for path in (tmp_path / "0").iterdir()} == {"timestep.json", "timestep.csv"}
    assert not list((tmp_path / "1").iterdir())
