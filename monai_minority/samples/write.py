"""From an engine's samples to an image store that says they are synthetic."""

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
"""Images of a class in the grid; of a single class a square of so many rows."""


def write_samples(
    images: Iterable[np.ndarray],
    plan: SamplePlan,
    path: str | os.PathLike[str],
    scale: float,
    settings: Mapping[str, Any],
    geometry: Mapping[str, Any] | None = None,
) -> ImageStore:
    """Write generated images as a store of 8-bit pixels, and beside it as a PNG grid and a NIfTI volume.

    Args:
        images: batches ``[B, C, H, W]`` in about [-1, 1], in the order of the plan; values beyond are clamped.
        plan: seeds and target classes.
        path: folder of the store; one that is there is replaced. The grid ``<path>.png`` has a row of the first images
            of each class; the volume ``<path>.nii.gz``, where they have one channel, has all.
        scale: of the guidance, 0 for none.
        settings: how they were made, kept in the store.
        geometry: what the pixels measure.

    Returns:
        The store, with ``synthetic`` = 1 on every row.
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
    classes = len(np.unique(targets))
    place = pd.Series(targets).groupby(targets).cumcount().to_numpy()  # of each image in its class
    shown = store.subset(place < GRID_COLUMNS * (1 if classes > 1 else GRID_COLUMNS))
    save_png_grid(shown, f"{path}.png", rows=classes if classes > 1 else None)
    if store.image_shape[0] == 1:
        save_nifti(store, f"{path}.nii.gz")
    return store


def open_samples(folder: str | Path) -> dict[str, ImageStore]:
    """The stores of generated images in ``samples/`` of a run folder, by name in alphabetical order.

    Hidden folders are passed over: they are stores half written.
    """
    found = sorted(path.parent for path in Path(folder).glob("[!.]*/store.json"))
    return {path.name: ImageStore.open(path) for path in found}


def read_samples(run_dir: str | os.PathLike[str]) -> dict[str, ImageStore]:
    """Every sample set of a run by its name, for a stage that needs at least one.

    Raises:
        FileNotFoundError: there is none.
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
    """The sample sets of the methods to compare, by name.

    Args:
        run_dir: the run folder.
        methods: settings of each method; one with ``samples`` is a store made elsewhere, under that path (a relative
            one is the run folder's).
        chosen: names in the order of the table; ``None``: all methods whose samples are there.
        folder: of the sampled sets in the run folder.

    Raises:
        ValueError: a name is that of no method.
        FileNotFoundError: a chosen method has no samples, or none has.
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
