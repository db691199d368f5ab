"""Imported samples on a small store: a sample set like any other."""

import numpy as np
import pytest

from monai_minority.data import ImageStore
from tests.bundles.test_pipeline import pixels
from tests.small_cohort import run_pipeline


@pytest.fixture
def run_dir(tmp_path):
    """A run folder with a store and nothing else."""
    values = np.random.default_rng(0).integers(0, 256, (12, 1, 16, 16)).astype(np.uint8)
    table = {"source": [f"s{i}" for i in range(12)], "slice": 0, "split": ["train"] * 9 + ["validation"] * 3}
    ImageStore.create(tmp_path / "run" / "store", values, table, (0, 255))
    return tmp_path / "run"


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
    assert (
        "large.npz, image 0 must have 16 x 16 pixels like the real images, got 32 x 32; set external_resize"
        in wrong.output
    )
    assert "Traceback" not in wrong.output
    assert not (run_dir / "samples" / "external").exists()
