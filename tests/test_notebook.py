"""What a notebook starts with, on the embedded cohort, and objects that print their settings."""

import subprocess
import sys

import numpy as np
import pytest
import torch

import monai_minority
from monai_minority.data import ImageStore, make_phantom_cohort
from monai_minority.diffusion import RespacedDDPMScheduler
from monai_minority.guidance import MinorityClassifierGuidance
from monai_minority.inferers import GuidedDiffusionInferer
from monai_minority.scoring import L2, MinorityScore, QuantileClasses

FEW = {"sampling_steps": 2}


@pytest.fixture(scope="module")
def sampled(tmp_path_factory):
    return monai_minority.sample(n=3, run_dir=tmp_path_factory.mktemp("run"), **FEW)


def test_it_samples_the_rarest_class(sampled):
    (name,) = sampled.samples
    table = sampled.samples[name].table
    assert name == "rarest" and table["target_class"].tolist() == [5, 5, 5] and table["synthetic"].all()


def test_the_same_call_samples_nothing_anew_and_another_adds_a_set(sampled, capsys):
    folder = sampled.folder.path
    assert monai_minority.sample(n=3, run_dir=folder, **FEW).samples.keys() == {"rarest"}
    assert "samples/rarest: unchanged, not run again" in capsys.readouterr().out
    more = monai_minority.sample(n=2, target=None, run_dir=folder, **FEW).samples
    assert more.keys() == {"rarest", "unguided"} and more["unguided"].table["target_class"].tolist() == [-1, -1]


def test_it_tells_a_wrong_target(tmp_path):
    with pytest.raises(ValueError, match="target must be a class, None, rarest or commonest, got 'rare'"):
        monai_minority.sample(target="rare", run_dir=tmp_path)


def test_a_run_shows_itself(sampled):
    scores = sampled.scores["minority_score"].to_numpy()
    assert (np.diff(scores) <= 0).all() and len(scores) >= 960
    assert "samples/rarest" in sampled.settings and "ImageStore(" in repr(sampled)
    picture = np.asarray(sampled.show(columns=4).convert("L"))
    wide = np.asarray(sampled.show(columns=8).convert("L"))
    assert picture.shape[1] < wide.shape[1] and picture.std() > 20


def test_it_scores_a_folder(tmp_path):
    make_phantom_cohort(tmp_path / "volumes", num_subjects=6, seed=1, num_workers=1, progress=False)
    few = {"score_draws": 1, "score_timestep": 600, "held_out_store": "$None", "stratify": "$None"}
    run = monai_minority.score_folder(tmp_path / "volumes", run_dir=tmp_path / "run", overlays=["phantom"], **few)
    assert len(run.scores) == 18 and np.isfinite(run.scores["minority_score"]).all()
    assert sorted(path.name for path in run.folder.path.iterdir() if path.is_dir()) == ["store"]


def test_there_must_be_a_run(tmp_path):
    with pytest.raises(FileNotFoundError, match="must be a run folder"):
        monai_minority.Run(tmp_path)


def test_objects_print_their_settings(tmp_path):
    scheduler = RespacedDDPMScheduler(num_train_timesteps=100, prediction_type="v_prediction")
    assert "num_train_timesteps=100, schedule='improved_linear'" in repr(scheduler)
    assert "prediction_type='v_prediction'" in repr(scheduler)
    score = MinorityScore(torch.nn.Linear(2, 2), scheduler, L2(), timestep=60, draws=3)
    assert "network=Linear(6 weights)" in repr(score) and "distance=L2(), timestep=60, draws=3" in repr(score)
    term = MinorityClassifierGuidance(torch.nn.Linear(2, 2), scale=2.5)
    inferer = GuidedDiffusionInferer(scheduler, term + term, eta=0.5)
    assert repr(inferer).count("scale=2.5") == 2 and "eta=0.5" in repr(inferer)
    assert repr(QuantileClasses(4)) == "QuantileClasses(num_classes=4, spacing='equal')"
    store = ImageStore.create(tmp_path / "store", np.zeros((2, 1, 4, 4), np.uint8), {"seed": [0, 1]}, (0, 255))
    assert "2 images [1, 4, 4] uint8" in repr(store)


def test_the_package_itself_imports_nothing():
    code = "import sys, monai_minority; print('torch' in sys.modules, monai_minority.__version__)"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.split()[0] == "False"
