"""A GAN and imported samples on a small store: sample sets like any other, and what a kill costs."""

import shutil

import numpy as np
import pytest
import torch

from monai_minority.data import ImageStore
from monai_minority.inferers import GANInferer
from monai_minority.networks import GANGenerator, load_checkpoint
from tests.bundles.test_pipeline import execute, pixels, workflow
from tests.small_cohort import run_pipeline


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    """A run folder with a store and nothing else."""
    run_dir = tmp_path_factory.mktemp("runs") / "store_alone"
    values = np.random.default_rng(0).integers(0, 256, (12, 1, 16, 16)).astype(np.uint8)
    table = {"source": [f"s{i}" for i in range(12)], "slice": 0, "split": ["train"] * 9 + ["validation"] * 3}
    ImageStore.create(run_dir / "store", values, table, (0, 255))
    return run_dir


@pytest.fixture
def run_dir(images, tmp_path):
    shutil.copytree(images, tmp_path / "run")
    return tmp_path / "run"


def test_a_trained_gan_leaves_a_sample_set(run_dir):
    result = run_pipeline(run_dir, "pipeline=[train_gan,sample_gan]")
    assert result.exit_code == 0, result.output
    store = ImageStore.open(run_dir / "samples" / "gan")
    assert store.table["seed"].tolist() == [0, 1, 2, 3, 4]
    assert (store.table["target_class"] == -1).all() and (store.table["synthetic"] == 1).all()
    assert store.meta["method"] == "GAN" and store.meta["generator"].startswith("GANGenerator ")
    generator = load_checkpoint(GANGenerator(16, 1, 64, (16, 8)), run_dir / "gan" / "model.pt")
    expected = GANInferer(64).sample(generator, range(5), (1, 16, 16))
    assert np.abs(pixels(run_dir, "gan") - ((expected.clamp(-1, 1) + 1) * 127.5).round().numpy()).max() <= 1
    assert (run_dir / "samples" / "gan.png").is_file()
    again = run_pipeline(run_dir, "pipeline=[train_gan,sample_gan]")
    assert again.stdout.count("unchanged, not run again") == 2


def test_a_killed_training_goes_on_to_the_same_bits(run_dir, tmp_path):
    folders = [tmp_path / "whole", tmp_path / "killed"]
    for folder in folders:
        shutil.copytree(run_dir / "store", folder / "store")
    execute(workflow("train_gan", folders[0], gan_iterations=8))
    execute(workflow("train_gan", folders[1], gan_iterations=8), "train::trainer", kill_after=5)
    assert not (folders[1] / "gan" / "model.pt").exists()
    assert execute(workflow("train_gan", folders[1], gan_iterations=8), "train::trainer") == [4, 5, 6, 7]
    whole, resumed = (torch.load(folder / "gan" / "checkpoint.pt", weights_only=True)["objects"] for folder in folders)
    for name in ("generator", "discriminator", "ema"):
        assert [key for key in whole[name] if not torch.equal(whole[name][key], resumed[name][key])] == []
    assert any(not torch.equal(whole["ema"][key], whole["generator"][key]) for key in whole["ema"])


def test_killed_sampling_goes_on_with_the_batches_that_remain(run_dir):
    execute(workflow("train_gan", run_dir))
    execute(workflow("sample_gan", run_dir), "evaluator", kill_after=1)
    assert execute(workflow("sample_gan", run_dir), "evaluator") == [1, 2]
    assert len(ImageStore.open(run_dir / "samples" / "gan")) == 5


def test_a_generator_learns_one_grey_level(run_dir):
    """Of images all alike there is one optimum, which a wrong sign of either loss would leave."""
    table = {"source": list(range(8)), "slice": 0, "split": "train"}
    ImageStore.create(run_dir / "store", np.full((8, 1, 8, 8), 210, np.uint8), table, (0, 255), overwrite=True)
    execute(
        workflow(
            "train_gan",
            run_dir,
            image_size=8,
            gan_iterations=400,
            gan_steps_an_epoch=100,
            gan_learning_rate=2.0e-3,
            gan_ema_decay=0.9,
        )
    )
    execute(workflow("sample_gan", run_dir, image_size=8))
    assert np.abs(pixels(run_dir, "gan") - 210).mean() < 15


def test_imported_samples_are_a_set_and_mistakes_are_named(run_dir, tmp_path):
    made = np.random.default_rng(1).integers(0, 256, (5, 16, 16, 1)).astype(np.uint8)
    np.savez(tmp_path / "biggan.npz", np.repeat(made, 3, 3))
    command = ["pipeline=[import_samples]", "external_set=biggan", "external_method=BigGAN"]
    result = run_pipeline(run_dir, *command, f"external_path={tmp_path / 'biggan.npz'}")
    assert result.exit_code == 0, result.output
    assert np.array_equal(pixels(run_dir, "biggan")[:, 0], made[..., 0])
    assert ImageStore.open(run_dir / "samples" / "biggan").meta["method"] == "BigGAN"
    again = run_pipeline(run_dir, *command, f"external_path={tmp_path / 'biggan.npz'}")
    assert "samples/biggan: unchanged" in again.stdout
    np.savez(tmp_path / "large.npz", np.zeros((2, 32, 32), np.uint8))
    wrong = run_pipeline(run_dir, "pipeline=[import_samples]", f"external_path={tmp_path / 'large.npz'}")
    assert wrong.exit_code == 1
    assert "large.npz, image 0 must have 16 x 16 pixels as the real images have, got 32 x 32" in wrong.output
    assert "Traceback" not in wrong.output
    assert not (run_dir / "samples" / "external").exists()
