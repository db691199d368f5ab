"""The brightest candidates are kept by a judge of brightness, except a copy of a training image."""

import numpy as np
import pytest
import torch
from torch import nn

from monai_minority.data import ImageStore
from monai_minority.diffusion import RespacedDDPMScheduler
from monai_minority.inferers import NoisyClassifierInferer
from monai_minority.stages import Select
from monai_minority.tables import MeasureSettings
from tests.run_folder import Pooled

CANDIDATES, COPY, BRIGHT = 40, 7, [3, 11, 20, 33]


class Brightness(nn.Module):
    """Two classes whose log odds are ten times the mean of the pixels."""

    def forward(self, x, timesteps):
        return torch.stack([torch.zeros(len(x)), 10 * x.mean((1, 2, 3))], dim=1)


def enlarged(squares):
    """Pictures ``[N, 1, 16, 16]`` of 4 x 4 squares of grey ``[N, 16]``."""
    return squares.reshape(-1, 1, 4, 4).astype(np.uint8).repeat(4, axis=2).repeat(4, axis=3)


@pytest.fixture
def stage(tmp_path):
    rng = np.random.default_rng(0)
    real = enlarged(rng.integers(0, 200, (60, 16)))
    made = enlarged(
        rng.permuted(np.tile([0, 200], (CANDIDATES, 8)), axis=1)
    )  # of one brightness, and far from real ones
    made[BRIGHT] += 50
    made[COPY] = real[5] = real[5] // 2 + 155
    table = {
        "source": [f"s{i}" for i in range(60)],
        "slice": 0,
        "subject": [f"s{i}" for i in range(60)],
        "split": ["train"] * 40 + ["test"] * 20,
    }
    store = ImageStore.create(tmp_path / "store", real, table, (0, 255))
    table = {"source": [f"g{i}" for i in range(CANDIDATES)], "slice": 0, "seed": range(CANDIDATES), "synthetic": 1}
    table |= {"target_class": -1, "guidance_scale": 0.0}
    cost = {"seconds_an_image": 2.0, "backbone_evaluations": 50.0, "classifier_evaluations": 0.0}
    path = tmp_path / "selection" / "candidates"
    candidates = ImageStore.create(path, made, table, (0, 255), synthetic=True, steps=50, **cost)
    return Select(
        run_dir=tmp_path,
        candidates=candidates,
        store=store,
        count=4,
        target_class=1,
        classifier=Brightness(),
        inferer=NoisyClassifierInferer(RespacedDDPMScheduler(1000), grid=[20, 50]),
        extractor=Pooled(),
        quantile=0.02,
        max_shift=1,
        calibration_size=100,
        measures=MeasureSettings(batch_size=16, progress=False),
    )


def test_the_most_likely_are_kept_and_a_copy_is_not(stage):
    stage()
    kept = ImageStore.open(stage.run_dir / "selection" / "selected")
    assert kept.table["seed"].tolist() == BRIGHT
    assert (kept.table["synthetic"] == 1).all() and (kept.table["target_class"] == -1).all()
    assert np.array_equal(kept.batch(slice(None)), stage.candidates.batch(BRIGHT))
    assert kept.table["log_probability"].between(-5, 0).all()
    assert kept.meta["dropped_suspected_copies"] == 1 and kept.meta["candidates"] == CANDIDATES


def test_an_image_costs_what_all_candidates_cost(stage):
    stage()
    meta = ImageStore.open(stage.run_dir / "selection" / "selected").meta
    assert meta["backbone_evaluations"] == 500 and meta["classifier_evaluations"] == 20
    assert meta["seconds_an_image"] > 20 and meta["steps"] == 50 and meta["method"] == "select after sampling"


def test_a_judge_that_would_take_the_copy_is_overruled(stage):
    """Without the search for copies the copied picture, the brightest of all, would be the first."""
    judged = stage._judge().mean(axis=1)
    assert judged.argmax() == COPY
    stage.count = CANDIDATES
    with pytest.raises(ValueError, match="39 of 40, got 40; sample more candidates"):
        stage.work()


def test_a_class_that_the_judge_does_not_know(stage):
    stage.target_class = 2
    with pytest.raises(ValueError, match=r"target_class must be in \[0, 2\), the classes of the classifier, got 2"):
        stage.work()
