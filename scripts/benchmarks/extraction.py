"""Volumes to a store, beside nibabel and a loop over slices."""

import tempfile
from collections.abc import Sequence
from pathlib import Path

import nibabel
import numpy as np
from benchmarks.comparison import Comparison
from monai.transforms import Compose
from skimage.transform import resize

from monai_minority.data import ImageStore, extract_images, find_cohort
from monai_minority.transforms import (
    AlignToAxesd,
    CheckVolumed,
    ExtractSlicesd,
    LoadVolumed,
    ResizeToSquared,
    SliceIntensityd,
)

POSITIONS = [0.40, 0.45, 0.50, 0.55, 0.60]


def write_volumes(folder: Path, count: int, shape: Sequence[int], seed: int = 0) -> Path:
    """Compressed NIfTI volumes (int16, 2 mm) of no meaning: smooth seeded noise in an ellipsoid, zero around it.

    Random numbers of full range would not compress and a constant would compress to nothing; this does about
    as a skull-stripped head does, and reading is mostly decompression.
    """
    rng = np.random.default_rng(seed)
    axes = np.meshgrid(*(np.linspace(-1.1, 1.1, size) for size in shape), indexing="ij")
    inside = sum(axis**2 for axis in axes) < 1
    for number in range(count):
        coarse = rng.normal(1000, 200, [-(-size // 8) for size in shape])
        smooth = np.kron(coarse, np.ones((8, 8, 8)))[tuple(slice(size) for size in shape)]
        voxels = np.where(inside, smooth + rng.normal(0, 20, shape), 0).round().astype(np.int16)
        path = folder / f"sub-{number:04d}" / "T1w.nii.gz"
        path.parent.mkdir(parents=True)
        nibabel.save(nibabel.Nifti1Image(voxels, np.diag([2.0, 2.0, 2.0, 1.0])), path)
    return folder


def extract_volumes(volumes: Path, path: Path, size: int) -> ImageStore:
    """Our way, with the transforms of the bundle's ``prepare`` stage and no worker processes."""
    transform = Compose(
        [
            LoadVolumed("image"),
            CheckVolumed("image"),
            AlignToAxesd("image"),
            ExtractSlicesd("image", positions=POSITIONS),
            SliceIntensityd("image"),
            ResizeToSquared("image", size),
        ]
    )
    return extract_images(find_cohort(volumes), transform, path, overwrite=True, progress=False)


def compare_extraction(volumes: Path, size: int) -> Comparison:
    """A row for the volumes of a folder, cut to ``size`` x ``size`` pixels."""
    files = sorted(volumes.rglob("*.nii.gz"))
    images = len(files) * len(POSITIONS)

    def ours() -> None:
        with tempfile.TemporaryDirectory() as folder:
            extract_volumes(volumes, Path(folder) / "store", size)

    def plain() -> None:
        slices = [image for file in files for image in _plain_slices(file, size)]
        with tempfile.TemporaryDirectory() as folder:
            np.save(Path(folder) / "images.npy", np.stack(slices))

    way = "nibabel, a loop over slices with scikit-image's resize, no checks, table or hash"
    return Comparison("extraction", f"{len(files)} volumes", way, ours, images, plain, images)


def _plain_slices(file: Path, size: int) -> list[np.ndarray]:
    volume = nibabel.as_closest_canonical(nibabel.load(file)).get_fdata()
    planes = np.flatnonzero((volume > volume.mean()).any(axis=(0, 1)))
    slices = []
    for position in POSITIONS:
        image = np.rot90(volume[:, :, round(planes[0] + position * (planes[-1] - planes[0]))])
        image = (image - image.min()) / (image.max() - image.min())
        side = max(image.shape)
        before = [(side - length) // 2 for length in image.shape]
        image = np.pad(image, [(b, side - length - b) for b, length in zip(before, image.shape, strict=True)])
        slices.append((resize(image, (size, size), anti_aliasing=True) * 255).round().astype(np.uint8))
    return slices
