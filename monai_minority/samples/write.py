"""Write generated images as an image store that is marked as synthetic, and open sample sets."""

import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from monai_minority.data import ImageStore
from monai_minority.samples import SamplePlan
from monai_minority.samples.export import save_nifti, save_png_grid

GRID_COLUMNS = 16
"""Number of images per class in the grid. A single class gets a square grid with this many rows."""


def write_samples(
    images: Iterable[np.ndarray],
    plan: SamplePlan,
    path: str | os.PathLike[str],
    scale: float,
    settings: Mapping[str, Any],
    geometry: Mapping[str, Any] | None = None,
) -> ImageStore:
    """Write generated images as a store of 8-bit pixels, and beside it as a PNG grid and a NIfTI series.

    Args:
        images: batches ``[B, C, H, W]`` in [-1, 1], in the order of the plan. Values outside the range are clamped.
        plan: seeds and target classes.
        path: folder of the store. An existing store is replaced. The grid ``<path>.png`` has a labelled row with the
            first images of each class. ``<path>.nii.gz`` has all images, a slice each, if they have one channel.
        scale: guidance scale, 0 for none.
        settings: settings of the generation, kept in the store.
        geometry: what the pixels measure.

    Returns:
        The store, with ``synthetic`` = 1 in every row.

    Example:
        >>> import tempfile, numpy as np
        >>> from pathlib import Path
        >>> from monai_minority.samples import SamplePlan, write_samples
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     plan, images = SamplePlan(images_per_class=2, classes=[3]), [np.zeros((2, 1, 8, 8), np.float32)]
        ...     store = write_samples(images, plan, f"{folder}/rare", scale=2.0, settings={"steps": 50})
        ...     sorted(file.name for file in Path(folder).iterdir())
        ['rare', 'rare.nii.gz', 'rare.png']
        >>> store.table[["seed", "target_class", "synthetic"]].to_numpy().tolist()
        [[0, 3, 1], [1, 3, 1]]
    """

    def as_bytes(batch: np.ndarray) -> np.ndarray:
        return ((np.clip(batch, -1, 1) + 1) * 127.5).round().astype(np.uint8)

    store = ImageStore.create(
        Path(path),
        map(as_bytes, images),
        plan.table(scale),
        (0, 255),
        overwrite=True,
        geometry=geometry,
        synthetic=True,
        **settings,
    )
    targets = plan.targets.numpy()
    classes = [f"class {target}" if target >= 0 else "unguided" for target in np.unique(targets)]
    several = len(classes) > 1
    place = pd.Series(targets).groupby(targets).cumcount().to_numpy()  # of each image in its class
    shown = store.subset(place < GRID_COLUMNS * (1 if several else GRID_COLUMNS))
    heading = "synthetic, " + ("from common to rare" if several else classes[0])
    grid: dict[str, Any] = {"rows": len(classes), "labels": classes} if several else {}
    save_png_grid(shown, f"{path}.png", heading=heading, **grid)
    if store.image_shape[0] == 1:
        save_nifti(store, f"{path}.nii.gz")
    return store


def open_samples(folder: str | Path) -> dict[str, ImageStore]:
    """Open the stores of generated images in a folder, by name in alphabetical order.

    Hidden folders are skipped, because they are incomplete stores.
    """
    found = sorted(path.parent for path in Path(folder).glob("[!.]*/store.json"))
    return {path.name: ImageStore.open(path) for path in found}


def read_samples(run_dir: str | os.PathLike[str]) -> dict[str, ImageStore]:
    """Open all sample sets of a run, by name.

    Raises:
        FileNotFoundError: there is no sample set.

    Example:
        >>> import tempfile, numpy as np
        >>> from monai_minority.samples import SamplePlan, read_samples, write_samples
        >>> with tempfile.TemporaryDirectory() as run_dir:
        ...     images = [np.zeros((2, 1, 8, 8), np.float32)]
        ...     store = write_samples(images, SamplePlan(2), f"{run_dir}/samples/unguided", 0.0, {})
        ...     {name: len(samples) for name, samples in read_samples(run_dir).items()}
        {'unguided': 2}
    """
    samples = open_samples(Path(run_dir) / "samples")
    if not samples:
        raise FileNotFoundError(f"{run_dir}/samples holds no sample set; run the sample stage first (inference.yaml)")
    return samples


def method_samples(
    run_dir: str | os.PathLike[str],
    methods: Mapping[str, Mapping[str, Any]],
    chosen: Sequence[str] | None = None,
    folder: str = "comparison/samples",
) -> dict[str, ImageStore]:
    """Open the sample sets of the methods to compare, by name.

    Args:
        run_dir: the run folder.
        methods: settings of each method. ``samples`` is the path of a store made elsewhere; a relative path starts at
            the run folder.
        chosen: names in the order of the table. ``None``: all methods that have samples.
        folder: folder of the sample sets in the run folder.

    Raises:
        ValueError: a name is not a method.
        FileNotFoundError: a chosen method has no samples, or no method has samples.

    Example:
        >>> import tempfile, numpy as np
        >>> from monai_minority.samples import SamplePlan, method_samples, write_samples
        >>> with tempfile.TemporaryDirectory() as run_dir:
        ...     images = [np.zeros((2, 1, 8, 8), np.float32)]
        ...     store = write_samples(images, SamplePlan(2), f"{run_dir}/comparison/samples/ancestral", 0.0, {})
        ...     list(method_samples(run_dir, {"ancestral": {}, "self_guidance": {}}))
        ['ancestral']
    """
    for name in chosen or ():
        if name not in methods:
            raise ValueError(f"methods to compare must be among {', '.join(methods)}, got {name}")
    paths = {
        name: Path(run_dir) / (methods[name].get("samples") or f"{folder}/{name}")
        for name in (methods if chosen is None else chosen)
    }
    if chosen is None:
        paths = {name: path for name, path in paths.items() if (path / "store.json").is_file()}
    if not paths:
        raise FileNotFoundError(f"{run_dir}/{folder} holds no sample set; `monai-minority compare` samples them first")
    return {name: ImageStore.open(path) for name, path in paths.items()}
