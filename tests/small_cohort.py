"""A small cohort of volumes, some of them broken, and the command that runs the pipeline on it."""

import gzip
import logging
from pathlib import Path

import nibabel
import numpy as np
from click.testing import Result
from monai.utils import set_determinism
from typer.testing import CliRunner

from monai_minority.cli import app
from monai_minority.run.bundle import Bundle

BUNDLE = Path(__file__).parents[1] / "bundles" / "brain_mri"
SUBJECTS = 10


def volume(rng: np.random.Generator) -> np.ndarray:
    """A head of 28 x 32 x 28 voxels: an ellipsoid with a dark centre of varying size and a texture."""
    grid = np.stack(np.meshgrid(*(np.linspace(-1, 1, n) for n in (28, 32, 28)), indexing="ij"))
    radius = np.sqrt((grid**2).sum(0))
    voxels = np.where(radius < 0.9, 100 + 20 * np.sin(6 * grid[0] + rng.normal()) * np.cos(5 * grid[1]), 0)
    voxels[radius < rng.uniform(0.15, 0.4)] = 30
    return np.where(voxels > 0, voxels + rng.normal(0, 3, voxels.shape), 0).astype(np.float32)


def write_volume(path: Path, voxels: np.ndarray) -> None:
    nibabel.save(nibabel.Nifti1Image(voxels, np.diag([2.0, 2.0, 2.0, 1.0])), path)


def write_cohort(folder: Path) -> None:
    """Good volumes ``sub-P00 …``, named as no hexadecimal pseudonym can be, and four bad ones."""
    rng = np.random.default_rng(0)
    for i in range(SUBJECTS):
        write_volume(folder / f"sub-P{i:02d}.nii.gz", volume(rng))
    (folder / "sub-empty.nii.gz").write_bytes(b"")
    whole = gzip.decompress((folder / "sub-P00.nii.gz").read_bytes())
    (folder / "sub-truncated.nii").write_bytes(whole[: len(whole) // 2])
    write_volume(folder / "sub-series.nii.gz", np.stack([volume(rng)] * 2, axis=-1))
    broken = volume(rng)
    broken[10:12] = np.nan
    write_volume(folder / "sub-nan.nii.gz", broken)


def invoke(*command: object) -> Result:
    """``monai-minority`` in this process; what it sets up is put back."""
    root, ignite = logging.getLogger(), logging.getLogger("ignite")
    kept = root.level, root.handlers[:], ignite.level
    try:
        return CliRunner().invoke(app, list(map(str, command)))
    finally:
        root.setLevel(kept[0])
        root.handlers[:] = kept[1]
        ignite.setLevel(kept[2])
        set_determinism(None)


def configs(*names: str, bundle: Path = BUNDLE) -> list[str]:
    """Configurations by name, stages and overlays wherever they lie, in the order given."""
    found = Bundle(bundle)
    known = {**found.overlays, **found.stages, "common": found.common()[0]}
    return [str(known[name]) for name in names]


def run_pipeline(run_dir: Path, *arguments: object, bundle: Path = BUNDLE) -> Result:
    """``monai-minority run`` with the smoke overlay last."""
    return invoke("run", "--bundle", bundle, "--run-dir", run_dir, *arguments, "--overlay", "smoke")
