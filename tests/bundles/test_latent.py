"""The latent overlay on a small cohort: the whole pipeline, what a kill costs, and both kinds of distance."""

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from monai.bundle import ConfigParser

from monai_minority.data import ImageStore
from monai_minority.networks import LatentAutoencoder, load_checkpoint
from monai_minority.scoring import EncodedScore
from tests.bundles import test_pipeline
from tests.small_cohort import BUNDLE, SUBJECTS, configs, invoke, run_pipeline, write_cohort

STAGES = [
    "prepare",
    "autoencoder",
    "encode",
    "backbone",
    "score",
    "cut",
    "classifier",
    "samples/unguided",
    "samples/guided",
    "evaluate",
]
PIPELINE = "pipeline=[prepare,train_autoencoder,encode,train,score,cut,train_classifier,inference,evaluate]"


def parser(*overlays: str, **overrides: object) -> ConfigParser:
    parser = ConfigParser()
    parser.read_config(configs("common", *overlays))
    for key, value in {"bundle_root": str(BUNDLE), **overrides}.items():
        parser[key] = value
    return parser


@pytest.fixture(scope="module")
def first_run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("hospital")
    write_cohort(folder)
    run_dir = tmp_path_factory.mktemp("runs") / "latent"
    return run_dir, run_pipeline(run_dir, "--dataset-dir", folder, "--overlay", "latent", PIPELINE)


@pytest.fixture
def run_dir(first_run, tmp_path):
    shutil.copytree(first_run[0], tmp_path / "run")
    return tmp_path / "run"


def autoencoder(run_dir: Path) -> LatentAutoencoder:
    network = parser("latent", "smoke").get_parsed_content("autoencoder_def")
    return load_checkpoint(network, run_dir / "autoencoder" / "model.pt").eval()


def test_it_is_whole(first_run):
    run_dir, result = first_run
    assert result.exit_code == 3, result.output  # of the cohort's bad files
    assert list(json.loads((run_dir / "run.json").read_text())["stages"]) == STAGES
    assert not list(run_dir.rglob("*.partial"))
    for name, count in (("guided", 6), ("unguided", 2)):
        samples = ImageStore.open(run_dir / "samples" / name)
        assert samples.image_shape == (1, 16, 16) and len(samples) == count


@torch.no_grad()
def test_the_store_has_the_latents_of_the_images_at_unit_deviation(first_run):
    images, latents = (ImageStore.open(first_run[0] / name) for name in ("store", "latents"))
    assert latents.image_shape == (4, 8, 8) and len(latents) == 5 * SUBJECTS
    expected = autoencoder(first_run[0]).encode(images.batch(slice(None)))
    torch.testing.assert_close(latents.batch(slice(None)), expected, rtol=2e-3, atol=2e-3)
    assert latents.subset(split="train").batch(slice(None)).std().item() == pytest.approx(1, abs=2e-3)
    assert latents.table["minority_class"].tolist() == images.table["minority_class"].tolist()


@torch.no_grad()
def test_samples_are_decoded_latents_of_the_backbone(first_run):
    """The same, by hand, from the files that the stages left."""
    run_dir = first_run[0]
    config = parser("inference", "latent", "smoke", run_dir=str(run_dir), target_classes=[])
    latents = config.get_parsed_content("guided_inferer").sample(
        config.get_parsed_content("backbone"), range(2), (4, 8, 8), progress=False
    )
    images = autoencoder(run_dir).decode(latents)
    expected = ((images.clamp(-1, 1) + 1) * 127.5).round().numpy().astype(int)
    assert np.abs(test_pipeline.pixels(run_dir, "unguided") - expected).max() <= 1


def test_a_second_run_does_nothing(first_run):
    run_dir, _ = first_run
    result = run_pipeline(
        run_dir, "--overlay", "latent", PIPELINE, *[x for s in PIPELINE[10:-1].split(",")[1:] for x in ("--stage", s)]
    )
    assert result.stdout.count("unchanged, not run again") == len(STAGES) - 1, result.output


def test_a_distance_of_latents_scores_otherwise(run_dir):
    before = ImageStore.open(run_dir / "store").table["minority_score"]
    result = run_pipeline(
        run_dir, "--overlay", "latent", "--stage", "score", "distance={_target_: monai_minority.scoring.L2}"
    )
    assert result.exit_code == 3, result.output
    after = ImageStore.open(run_dir / "store").table["minority_score"]
    assert np.isfinite(after).all() and not np.allclose(after, before)


def workflow(stage, run_dir, **overrides):
    overlay = {"network_store": {"_target_": "monai_minority.data.ImageStore", "path": "@latents_path"}}
    return test_pipeline.workflow(stage, run_dir, **overlay, **overrides)


def test_a_killed_training_with_an_adversary_goes_on_to_the_same_bits(run_dir, tmp_path):
    settings = {"autoencoder_iterations": 8, "adversarial_weight": 0.1, "adversarial_start": 2}
    folders = [tmp_path / "whole", tmp_path / "killed"]
    for folder in folders:
        shutil.copytree(run_dir / "store", folder / "store")
    test_pipeline.execute(workflow("train_autoencoder", folders[0], **settings))
    test_pipeline.execute(workflow("train_autoencoder", folders[1], **settings), "train::trainer", kill_after=5)
    assert test_pipeline.execute(workflow("train_autoencoder", folders[1], **settings), "train::trainer") == [
        4,
        5,
        6,
        7,
    ]
    whole, resumed = (torch.load(folder / "autoencoder" / "model.pt", weights_only=True) for folder in folders)
    assert [name for name in whole if not torch.equal(whole[name], resumed[name])] == []
    adversaries = [
        torch.load(folder / "autoencoder" / "checkpoint.pt", weights_only=True)["objects"]["discriminator"]
        for folder in folders
    ]
    assert [name for name in adversaries[0] if not torch.equal(adversaries[0][name], adversaries[1][name])] == []


def test_a_killed_encoding_goes_on_with_the_batches_that_remain(run_dir):
    before = np.load(run_dir / "latents" / "images.npy")
    shutil.rmtree(run_dir / "latents")
    test_pipeline.execute(test_pipeline.workflow("encode", run_dir, encode_batch_size=16), "evaluator", kill_after=2)
    steps = test_pipeline.execute(test_pipeline.workflow("encode", run_dir, encode_batch_size=16), "evaluator")
    assert steps == [2, 3]
    np.testing.assert_allclose(np.load(run_dir / "latents" / "images.npy"), before, rtol=2e-3, atol=2e-3)


@pytest.mark.parametrize("overlays", [("latent",), ("phantom", "latent"), ("latent", "latent_full")])
def test_networks_fit_the_latents(overlays):
    """On the meta device, so that the size for 256 x 256 costs nothing."""
    config = parser("train_autoencoder", *overlays)
    shape = config.get_parsed_content("network_shape")
    size, channels = config.get_parsed_content("image_size"), config.get_parsed_content("image_channels")
    with torch.device("meta"), torch.no_grad():
        latent = config.get_parsed_content("autoencoder_def").eval().encode(torch.empty(2, channels, size, size))
        assert tuple(latent.shape) == (2, *shape)
        backbone = config.get_parsed_content("network_def").eval()
        timesteps = torch.zeros(2)
        assert backbone(latent, timesteps).shape == latent.shape
        discriminator = config.get_parsed_content("adversary_def").eval()
        assert discriminator(torch.empty(2, channels, size, size))[-1].shape[:2] == (2, 1)
    if overlays[-1] == "latent_full":
        assert shape == (3, 64, 64)


def test_methods_are_compared_and_studied_in_latents(run_dir):
    """Images are scored by their latents; samplers whose discriminator compares images are left out."""
    settings = ["--bundle", BUNDLE, "--run-dir", run_dir, "--overlay", "latent", "--overlay", "smoke"]
    settings += ["extractor={_target_: tests.run_folder.Pooled}"]
    compared = invoke("compare", *settings, "--method", "ancestral", "--method", "minority_guidance")
    assert compared.exit_code == 0, compared.output
    table = pd.read_csv(run_dir / "comparison" / "methods.csv").set_index("method")
    config = parser("compare", "latent", "smoke", run_dir=str(run_dir))
    score = EncodedScore(config.get_parsed_content("score"), config.get_parsed_content("autoencoder").encode)
    images = ImageStore.open(run_dir / "comparison" / "samples" / "ancestral")
    expected = score(images.batch(slice(None)), seeds=range(len(images))).mean.mean().item()
    assert table.loc["ancestral", "minority_score_mean"] == pytest.approx(expected, rel=1e-4)
    refused = invoke("compare", *settings, "--method", "low_density_unlabelled")
    assert refused.exit_code == 1 and "needs pixel_space, which is null" in refused.output
    studied = invoke("study", "outlier_correlations", *settings)
    assert studied.exit_code == 0, studied.output


def test_missing_weights_name_the_file(run_dir):
    (run_dir / "autoencoder" / "model.pt").unlink()
    result = run_pipeline(run_dir, "--overlay", "latent", "--stage", "score")
    assert result.exit_code == 1
    assert "autoencoder/model.pt does not exist; weights are never made up" in result.output
    assert "Traceback" not in result.output
