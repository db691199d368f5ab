"""A store without a cohort behind it, and balls to segment: the least that stages run on."""

from pathlib import Path

import numpy as np
import pandas as pd

from monai_minority.data import ImageStore
from tests.bundles.test_segmentation import ball
from tests.small_cohort import write_volume


def make_store(folder: Path, ill_every: int = 4) -> None:
    """Sixty pictures, one in ``ill_every`` of them ill, with a bright middle."""
    pixels = np.random.default_rng(0).integers(0, 100, (60, 1, 16, 16)).astype(np.uint8)
    groups = np.where(np.arange(60) % ill_every == 0, "ill", "well")
    pixels[groups == "ill", :, 6:10, 6:10] += 120
    table = {
        "source": [f"i{i}" for i in range(60)],
        "slice": 0,
        "subject": [f"s{i}" for i in range(60)],
        "group": groups,
        "split": np.repeat(["train", "validation", "test"], [30, 10, 20]),
    }
    ImageStore.create(folder / "store", pixels, pd.DataFrame(table), (0, 255))


def write_balls(folder: Path) -> None:
    """Six volumes of a ball in noise, in ``images``, and their masks in ``labels``."""
    rng = np.random.default_rng(0)
    for kind in ("images", "labels"):
        (folder / kind).mkdir()
    for i, radius in enumerate(np.linspace(3, 7, 6)):
        mask = ball(radius)
        write_volume(folder / "images" / f"{i}.nii.gz", (mask + rng.normal(0, 0.1, mask.shape)).astype(np.float32))
        write_volume(folder / "labels" / f"{i}.nii.gz", mask.astype(np.float32))
