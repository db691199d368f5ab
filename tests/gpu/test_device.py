"""Stages on a CUDA device: each runs, a kill costs nothing, and NCCL carries them.

The same bodies run on the processor, so that they are known to be sound where there is no such device.
"""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from monai_minority.data import ImageStore
from tests.bundles.test_pipeline import DROPOUT, execute, workflow
from tests.small_cohort import BUNDLE, invoke
from tests.small_store import make_store, write_balls

NO_DEVICE = pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device")
CUDA = pytest.param("cuda", marks=[pytest.mark.gpu, NO_DEVICE])
SLOW_CPU = pytest.param("cpu", marks=pytest.mark.slow)  # what other tests cover on the processor
BALLS = {"image_size": 20, "slice_positions": [0.5], "slice_extent": "volume", "segmentation_field": [20, 20]}
METHODS = ["minority_guidance", "mixed_density", "label_minorities", "low_density", "class_balancing", "self_guidance"]
MEASURED = {
    "prepare": {},
    "evaluate": {"further_spaces": [], "resamples": 5, "distance_resamples": 5},
    "judge_features": {"neighbours": 5, "resamples": 5},
    "utility": {"utility_steps": 2, "utility_trainings": 1, "resamples": 5},
}


def on(device: str) -> str:
    return f"$torch.device('{device}')"


def run(stage: str, run_dir: Path, device: str, *overlays: str, **overrides: object) -> None:
    execute(workflow(stage, run_dir, *overlays, **MEASURED.get(stage, {}), **overrides, device=on(device)))


@pytest.mark.parametrize("device", [SLOW_CPU, CUDA])
def test_every_stage_of_images(tmp_path, device):
    make_store(tmp_path)
    stages = ["train", "score", "cut", "train_classifier", "inference", "train_dino"]
    for stage in [*stages, "memorization", "evaluate", "report", "judge_features", "utility"]:
        run(stage, tmp_path, device)
    (tmp_path / "mine.yaml").write_text("num_class_labels: 2\nlabel_column: group\nbalancing_iterations: 2\n")
    command = ["--bundle", BUNDLE, "--overlay", "smoke", "--overlay", tmp_path / "mine.yaml", "--run-dir", tmp_path]
    command += ["resamples=5", f"device={on(device)}"]
    compared = invoke("compare", *command, *(part for method in METHODS for part in ("--method", method)))
    assert compared.exit_code == 0, compared.output
    table = pd.read_csv(tmp_path / "comparison" / "methods.csv")
    assert table["method"].tolist()[: len(METHODS)] == METHODS
    studied = invoke("study", "timestep", *command)
    assert studied.exit_code == 0, studied.output
    scores = ImageStore.open(tmp_path / "store").table["minority_score"]
    assert np.isfinite(scores).all()


@pytest.mark.parametrize("device", ["cpu", CUDA])
def test_every_stage_of_latents(tmp_path, device):
    make_store(tmp_path)
    losses = {"perceptual_weight": 0.05, "adversarial_weight": 0.1, "adversarial_start": 1}
    run("train_autoencoder", tmp_path, device, "latent", **losses)
    for stage in ("encode", "train", "score", "cut", "train_classifier", "inference", "evaluate"):
        run(stage, tmp_path, device, "latent")
    assert np.isfinite(pd.read_csv(tmp_path / "evaluation" / "generated.csv")["minority_score"]).all()


@pytest.mark.parametrize("device", ["cpu", CUDA])
def test_a_segmentation(tmp_path, device):
    write_balls(tmp_path)
    splits = {"split_fractions": {"train": 0.5, "validation": 0.5}}
    run("prepare", tmp_path / "run", device, dataset_dir=str(tmp_path / "images"), **splits, **BALLS)
    run("train_segmentation", tmp_path / "run", device, segmentation_epochs=1, **BALLS)
    assert (tmp_path / "run" / "segmentation" / "metrics.csv").is_file()


@pytest.mark.parametrize("autocast", [None, "$torch.bfloat16"], ids=["float32", "bfloat16"])
@pytest.mark.parametrize("device", ["cpu", CUDA])
def test_training_goes_on_to_the_same_bits_after_a_kill(tmp_path, device, autocast):
    folders = [tmp_path / "whole", tmp_path / "killed"]
    settings = {"network_def": DROPOUT, "iterations": 8, "autocast": autocast, "device": on(device)}
    for folder in folders:
        make_store(folder)
    execute(workflow("train", folders[0], **settings))
    execute(workflow("train", folders[1], **settings), "train::trainer", kill_after=5)
    assert execute(workflow("train", folders[1], **settings), "train::trainer") == [4, 5, 6, 7]
    whole, resumed = (torch.load(folder / "backbone" / "model.pt", weights_only=True) for folder in folders)
    assert [name for name in whole if not torch.equal(whole[name], resumed[name])] == []


@pytest.mark.parametrize("device", [SLOW_CPU, CUDA])
def test_a_process_group_of_one_trains_scores_and_samples_as_no_group_does(tmp_path, device):
    """With NCCL on a CUDA device, with Gloo on the processor."""
    stages = ["train", "score", "cut", "train_classifier", "inference"]
    for name in ("alone", "group"):
        make_store(tmp_path / name)
    for stage in stages:
        run(stage, tmp_path / "alone", device)
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "1"]
    command += ["-m", "monai_minority.cli", "run", "--bundle", BUNDLE, "--overlay", "smoke"]
    command += ["--run-dir", tmp_path / "group", f"device={on(device)}"]
    command += [part for stage in stages for part in ("--stage", stage)]
    hidden = {"CUDA_VISIBLE_DEVICES": ""} if device == "cpu" else {}
    environment = os.environ | hidden
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, timeout=600, env=environment)
    assert done.returncode == 0, done.stderr[-4000:]
    assert "joined a process group of 1 by " + ("nccl" if device == "cuda" else "gloo") in done.stdout
    scores = [pd.read_csv(tmp_path / name / "scores.csv")["minority_score"] for name in ("alone", "group")]
    np.testing.assert_allclose(scores[1], scores[0], rtol=1e-3)
    samples = [np.load(tmp_path / name / "samples" / "guided" / "images.npy") for name in ("alone", "group")]
    assert np.abs(samples[0].astype(int) - samples[1].astype(int)).max() <= 1
