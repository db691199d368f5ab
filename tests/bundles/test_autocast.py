"""Every stage that runs networks, with autocast off and in bfloat16, whatever the machine would choose."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from monai_minority.data import ImageStore
from tests.bundles.test_pipeline import execute, workflow
from tests.small_cohort import BUNDLE, invoke
from tests.small_store import make_store, write_balls

DTYPES = {"null": None, "bfloat16": torch.bfloat16}
POOLED = {"_target_": "tests.run_folder.Pooled"}
FEATURES = "{_target_: monai_minority.scoring.FeatureDistance, extractor: {_target_: tests.bundles.test_autocast.Maps}}"
METHODS = ["low_density", "class_balancing", "self_guidance"]
TRAINED = ["backbone", "classifier", "label_classifier", "discriminator", "class_balancing", "dino"]
LEARNING_RATE = 0.02  # so that four steps awaken a network whose last layer starts at zero
STEPS = 8  # of sampling; after fewer, random networks leave black and white alone, which no precision changes


class Maps(torch.nn.Conv2d):
    """Feature maps from seeded random weights."""

    def __init__(self) -> None:
        super().__init__(3, 8, 3)
        torch.nn.init.normal_(self.weight, generator=torch.Generator().manual_seed(0))


def add_real_images_as_samples(run_dir: Path, seeds: range) -> None:
    """A sample set ``real`` of the store's own pixels, with the seeds that the score stage gave them."""
    store = ImageStore.open(run_dir / "store")
    table = {"source": store.table["source"], "slice": 0, "seed": list(seeds), "target_class": -1, "synthetic": 1}
    pixels = np.load(store.path / "images.npy")
    columns = pd.DataFrame(table).assign(guidance_scale=0.0)
    ImageStore.create(run_dir / "samples" / "real", pixels, columns, (0, 255), synthetic=True)


def evaluated(run_dir: Path) -> pd.Series:
    """Scores that the evaluate stage gave the set ``real``."""
    table = pd.read_csv(run_dir / "evaluation" / "generated.csv")
    return table.loc[table["set"] == "real", "minority_score"].reset_index(drop=True)


def weights(run_dir: Path, name: str) -> torch.Tensor:
    state = torch.load(run_dir / name / "model.pt", weights_only=True)
    return torch.cat([values.flatten().float() for values in state.values()])


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Run folders of the pipeline and of what it has beside it, by the name of the dtype."""
    folders = {}
    for name, dtype in DTYPES.items():
        run_dir = folders[name] = tmp_path_factory.mktemp(name)
        make_store(run_dir)
        forced = {"autocast": dtype and f"${dtype}"}
        execute(workflow("train", run_dir, learning_rate=LEARNING_RATE, **forced))
        for stage in ("score", "cut", "train_classifier", "train_dino"):
            execute(workflow(stage, run_dir, **forced))
        execute(workflow("inference", run_dir, sampling_steps=STEPS, **forced))
        add_real_images_as_samples(run_dir, range(60))
        measured = {"extractor": POOLED, "further_spaces": [], "resamples": 5, "distance_resamples": 5}
        execute(workflow("evaluate", run_dir, **measured, **forced))
        (run_dir / "mine.yaml").write_text(
            "num_class_labels: 2\nlabel_column: group\nbalancing_iterations: 2\n"
            "extractor: {_target_: tests.run_folder.Pooled}\n"
        )
        command = ["--bundle", BUNDLE, "--overlay", "smoke", "--overlay", run_dir / "mine.yaml", "--run-dir", run_dir]
        command += ["resamples=5", f"autocast={forced['autocast'] or 'null'}"]
        methods = [part for method in METHODS for part in ("--method", method)]
        compared = invoke("compare", *command, f"sampling_steps={STEPS}", *methods)
        assert compared.exit_code == 0, compared.output
        studied = invoke("study", "distances", *command, f"study_distances={{features: {FEATURES}}}")
        assert studied.exit_code == 0, studied.output
    return folders


@pytest.fixture(scope="module")
def latent_runs(tmp_path_factory):
    """The same in latents, with a perceptual and an adversarial loss; latents are kept as they are computed."""
    folders = {}
    for name, dtype in DTYPES.items():
        run_dir = folders[name] = tmp_path_factory.mktemp(f"latent_{name}")
        make_store(run_dir)
        forced = {"autocast": dtype and f"${dtype}"}
        adversary = {"adversarial_weight": 0.1, "adversarial_start": 1}
        execute(workflow("train_autoencoder", run_dir, "latent", perceptual_weight=0.05, **adversary, **forced))
        execute(workflow("encode", run_dir, "latent", latent_dtype="float32", **forced))
        execute(workflow("train", run_dir, "latent", learning_rate=LEARNING_RATE, **forced))
        for stage in ("score", "cut", "train_classifier"):
            execute(workflow(stage, run_dir, "latent", **forced))
        execute(workflow("inference", run_dir, "latent", sampling_steps=STEPS, **forced))
        add_real_images_as_samples(run_dir, range(60))
        measured = {"extractor": POOLED, "further_spaces": [], "resamples": 5, "distance_resamples": 5}
        execute(workflow("evaluate", run_dir, "latent", **measured, **forced))
    return folders


def check_precision(exact: np.ndarray, rough: np.ndarray, tolerance: float) -> None:
    """Close, but not the same: bfloat16 has eight bits."""
    assert np.isfinite(exact).all() and np.isfinite(rough).all()
    error = np.linalg.norm(rough - exact) / np.linalg.norm(exact)
    assert 0 < error < tolerance, error


@pytest.mark.parametrize("name", TRAINED)
def test_networks_are_trained_in_the_dtype(runs, name):
    check_precision(*(weights(runs[dtype], name).numpy() for dtype in DTYPES), tolerance=0.02)


@pytest.mark.parametrize("name", ["autoencoder", "backbone", "classifier"])
def test_networks_of_latents_are_trained_in_the_dtype(latent_runs, name):
    check_precision(*(weights(latent_runs[dtype], name).numpy() for dtype in DTYPES), tolerance=0.02)


def test_scores_and_samples_are_computed_in_the_dtype(runs, latent_runs):
    for folders in (runs, latent_runs):
        stores = [ImageStore.open(folders[dtype] / "store").table for dtype in DTYPES]
        check_precision(*(table["minority_score"].to_numpy() for table in stores), tolerance=0.02)
        samples = [np.load(folders[dtype] / "samples" / "guided" / "images.npy") for dtype in DTYPES]
        check_precision(*(pixels.astype(float) for pixels in samples), tolerance=0.02)
    for method in METHODS:
        samples = [np.load(runs[dtype] / "comparison" / "samples" / method / "images.npy") for dtype in DTYPES]
        check_precision(*(pixels.astype(float) for pixels in samples), tolerance=0.02)
    studies = [pd.read_csv(runs[dtype] / "studies" / "distance" / "features" / "scores.csv") for dtype in DTYPES]
    check_precision(*(table["minority_score"].to_numpy() for table in studies), tolerance=0.02)
    rounded = studies[1]["minority_score"].to_numpy(np.float32)
    assert not np.array_equal(rounded, torch.from_numpy(rounded).bfloat16().float().numpy()), "differences are whole"


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_generated_image_is_scored_as_a_real_one_of_the_same_pixels(runs, latent_runs, dtype):
    for folders in (runs, latent_runs):
        found = evaluated(folders[dtype]).to_numpy(np.float32)
        expected = ImageStore.open(folders[dtype] / "store").table["minority_score"].to_numpy(np.float32)
        assert np.array_equal(found, expected)


def test_a_segmentation_is_trained_in_float32_in_any_case(tmp_path):
    """Its stage has no use for the setting, and does not stumble over it."""
    write_balls(tmp_path)
    splits = {"split_fractions": {"train": 0.5, "validation": 0.5}}
    settings = {"image_size": 20, "slice_positions": [0.5], "slice_extent": "volume", "segmentation_field": [20, 20]}
    trained = []
    for name, dtype in DTYPES.items():
        forced = {"autocast": dtype and f"${dtype}"}
        data = {"dataset_dir": str(tmp_path / "images"), **splits}
        execute(workflow("prepare", tmp_path / name, **settings, **data, **forced))
        execute(workflow("train_segmentation", tmp_path / name, segmentation_epochs=1, **settings, **forced))
        trained.append(weights(tmp_path / name, "segmentation"))
    assert torch.equal(*trained)
