"""Fidelity of every set of a run in further feature spaces, such as Inception's that papers report."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import nn

from monai_minority.data.image_store import ImageStore
from monai_minority.evaluation.comparison import CAUTION, fidelity_figures
from monai_minority.evaluation.features import describe, extract
from monai_minority.evaluation.fidelity import distance_figures
from monai_minority.evaluation.figure import Figure, library_versions

SPATIAL = "spatial Fréchet distance (lower is closer)"
CHANNELS = 7
"""Maps that the spatial Fréchet distance compares, by its definition."""

COLUMNS = ["set", "name", "value", "low", "high"]


def fidelity_table(
    spaces: Sequence[nn.Module],
    store: ImageStore,
    samples: Mapping[str, ImageStore],
    chosen: np.ndarray,
    *,
    k: int = 5,
    feature_dir: str | Path | None = None,
    resamples: int = 1000,
    distance_resamples: int = 100,
    batch_size: int = 64,
    device: torch.device | str | None = None,
    seed: int = 0,
    progress: bool = True,
) -> pd.DataFrame:
    """Every fidelity figure of each set against the same real images, in each space.

    Args:
        spaces: extractors to vectors ``[B, D]``, or to maps ``[B, C, h, w]``, which give the spatial Fréchet distance.
        store: real images.
        samples: generated images by name.
        chosen: rows of the real images that are compared with ``[n]``.
        k: neighbour that balls reach to; fewer where a set is too small for it.
        feature_dir: cache of features.
        resamples: bootstrap resamples of shares and means, and
        distance_resamples: of distances; 0 leaves the intervals out.
        batch_size: images at a time.
        device: where to compute.
        seed: of the bootstrap.
        progress: whether to show bars.

    Returns:
        One row a space, set and figure: ``set``, ``name``, ``value``, ``low``, ``high``, then how it was measured:
        extractor, resizing, normalisation, hash of the weights, dimension, N, k, interval, seed, versions of libraries.
        Without spaces it has no rows.
    """
    rows: list[dict[str, Any]] = []
    for space in spaces:

        def features(pictures: ImageStore, extractor: nn.Module = space) -> np.ndarray:
            return extract(pictures, extractor, feature_dir, batch_size, device, progress)

        context = describe(space) | library_versions()
        real = features(store)[chosen]
        for name, pictures in samples.items():
            generated = features(pictures)
            sampling = {"distance_resamples": distance_resamples, "seed": seed}
            figures = (
                _spatial(real, generated, context, **sampling)  # type: ignore[arg-type]
                if real.ndim == 4
                else fidelity_figures(
                    real,
                    generated,
                    k=max(1, min(k, len(real) - 1, len(generated) - 1)),
                    context=context,
                    resamples=resamples,
                    **sampling,  # type: ignore[arg-type]
                )
            )
            rows += [{"set": name, **figure.row()} for figure in figures]
    return pd.DataFrame(rows, columns=None if rows else COLUMNS)


def _spatial(
    real: np.ndarray, generated: np.ndarray, context: Mapping[str, Any], distance_resamples: int, seed: int
) -> list[Figure]:
    """The spatial Fréchet distance is that of the first maps as vectors, and so are its intervals."""
    real, generated = (maps[:, :CHANNELS].reshape(len(maps), -1) for maps in (real, generated))
    found = distance_figures(real, generated, resamples=distance_resamples, seed=seed)
    noted = dict(context) | {"N real": len(real), "N generated": len(generated), "dimension": real.shape[1]}
    if distance_resamples:
        noted |= {"interval": f"95%, {distance_resamples} bootstrap resamples of images", "seed": seed}
    if min(len(real), len(generated)) <= real.shape[1]:
        noted |= {"caution": CAUTION}
    return [Figure(SPATIAL, found.frechet, *found.frechet_interval, noted)]
