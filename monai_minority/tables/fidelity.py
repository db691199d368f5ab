"""Fidelity of every set of a run in further feature spaces, such as Inception's that papers report."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from monai_minority.evaluation.fidelity import DistanceFigures, distance_figures
from monai_minority.evaluation.fidelity.figures import CAUTION, fidelity_figures
from monai_minority.evaluation.figure import Figure, library_versions
from monai_minority.tables.settings import MeasureSettings

SPATIAL = "spatial Fréchet distance (lower is closer)"
CHANNELS = 7
"""Maps that the spatial Fréchet distance compares, by its definition."""

COLUMNS = ["set", "name", "value", "low", "high"]


class SeenBy(NamedTuple):
    """Features of a run's images in one space."""

    description: Mapping[str, str]
    """What :func:`~monai_minority.evaluation.features.describe_extractor` says of the space."""
    real: np.ndarray
    """Of all real images: vectors ``[N, D]``, or maps ``[N, C, h, w]``."""
    generated: Mapping[str, np.ndarray]
    """Of each set of generated images, by its name."""


def fidelity_table(
    spaces: Sequence[SeenBy],
    chosen: np.ndarray,
    subjects: np.ndarray,
    seeds: Mapping[str, np.ndarray],
    settings: MeasureSettings,
) -> pd.DataFrame:
    """Every fidelity figure of each set against the same real images, in each space.

    Args:
        spaces: features; maps give the spatial Fréchet distance, vectors all other figures.
        chosen: rows of the real images that are compared with ``[n]``.
        subjects: of all real images ``[N]``.
        seeds: of the images of each set, by its name.
        settings: of the neighbours, where a set is large enough for them, and of the intervals.

    Returns:
        One row a space, set and figure: ``set``, ``name``, ``value``, ``low``, ``high``, then how it was measured:
        extractor, resizing, normalisation, hash of the weights, dimension, N, k, interval, seed, versions of libraries.
        Without spaces it has no rows.
    """
    rows: list[dict[str, Any]] = []
    for space in spaces:
        context = dict(space.description) | library_versions()
        real = space.real[chosen]
        for name, generated in space.generated.items():
            figures = (
                _spatial(real, generated, subjects[chosen], seeds[name], context, settings)
                if real.ndim == 4
                else fidelity_figures(
                    real,
                    generated,
                    k=max(1, min(settings.neighbours, len(real) - 1, len(generated) - 1)),
                    real_clusters=subjects[chosen],
                    generated_clusters=seeds[name],
                    context=context,
                    resamples=settings.resamples,
                    distance_resamples=settings.distance_resamples,
                    seed=settings.seed,
                )
            )
            rows += [{"set": name, **figure.row()} for figure in figures]
    return pd.DataFrame(rows, columns=None if rows else COLUMNS)


def distances_between(
    a: np.ndarray, b: np.ndarray, a_clusters: np.ndarray, b_clusters: np.ndarray, settings: MeasureSettings
) -> DistanceFigures:
    """:func:`~monai_minority.evaluation.fidelity.distance_figures` with the intervals that the settings ask for."""
    count, seed = settings.distance_resamples, settings.seed
    return distance_figures(a, b, a_clusters=a_clusters, b_clusters=b_clusters, resamples=count, seed=seed)


def flattened_maps(maps: np.ndarray) -> np.ndarray:
    """The first maps ``[N, C, h, w]`` as vectors, whose Fréchet distance is the spatial one."""
    return maps[:, :CHANNELS].reshape(len(maps), -1)


def _spatial(
    real: np.ndarray,
    generated: np.ndarray,
    subjects: np.ndarray,
    seeds: np.ndarray,
    context: Mapping[str, Any],
    settings: MeasureSettings,
) -> list[Figure]:
    """The spatial Fréchet distance is that of the first maps as vectors, and so are its intervals."""
    real, generated = flattened_maps(real), flattened_maps(generated)
    found = distances_between(real, generated, subjects, seeds, settings)
    noted = dict(context) | {"N real": len(real), "N generated": len(generated), "dimension": real.shape[1]}
    if settings.distance_resamples:
        how = f"95%, {settings.distance_resamples} bootstrap resamples of subjects and seeds"
        noted |= {"interval": how, "seed": settings.seed}
    if min(len(real), len(generated)) <= real.shape[1]:
        noted |= {"caution": CAUTION}
    return [Figure(SPATIAL, found.frechet, *found.frechet_interval, noted)]
