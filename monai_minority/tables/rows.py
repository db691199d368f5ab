"""What tables of figures have a row for: sets and classes of generated images, and groups of real ones."""

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from monai_minority.evaluation.intervals import bootstrap
from monai_minority.evaluation.mover import estimated_share
from monai_minority.evaluation.weighted_statistics import weighted_mean
from monai_minority.keys import Column
from monai_minority.tables.images import GeneratedImages, RealImages
from monai_minority.tables.settings import MeasureSettings

ALL = "all"
REAL = "real, training"
UNSEEN = "real, never trained on"
UNIQUE = "real, most unique"
RARE_GROUP = "real, rare group"


class Row(NamedTuple):
    """A row of a table, before it has figures."""

    labels: dict[str, Any]
    """``set``, ``target_class``, ``guidance_scale`` and ``n``."""
    rows: np.ndarray
    """Of the images in their table ``[n]``."""
    table: pd.DataFrame
    """Of these images."""
    features: np.ndarray
    """Of these images ``[n, D]``."""
    clusters: np.ndarray
    """Subject of each real image, as a number, and seed of each generated one ``[n]``."""
    classes: np.ndarray
    """Target class of each generated image, at its scale, as a number; of real images 0 ``[n]``."""


def generated_rows(generated: GeneratedImages) -> Iterator[Row]:
    """Of each set: all of its images, then each guided target class at each scale."""
    for name, index in generated.table.groupby("set", sort=False).indices.items():
        part = generated.table.iloc[index]
        scales = part[Column.SCALE].unique()
        yield _generated(generated, name, ALL, float(scales[0]) if len(scales) == 1 else float("nan"), index)
        guided = part[part[Column.TARGET_CLASS] >= 0]
        for (scale, target), rows in guided.groupby([Column.SCALE.value, Column.TARGET_CLASS.value]).groups.items():
            yield _generated(generated, name, str(target), float(scale), rows.to_numpy())


def real_rows(real: RealImages, reference: tuple[str, np.ndarray], settings: MeasureSettings) -> Iterator[Row]:
    """Training images, all and by minority class, those of the ``held_out`` splits, and the reference (name, rows)."""
    yield _real(real, REAL, ALL, real.training)
    if Column.MINORITY_CLASS in real.table:
        classes = real.table[Column.MINORITY_CLASS].to_numpy()[real.training]
        for target in np.unique(classes[~np.isnan(classes.astype(float))]):
            yield _real(real, REAL, str(int(target)), real.training[classes == target])
    apart = np.flatnonzero(settings.is_held_out(real.table))
    if len(apart):
        yield _real(real, UNSEEN, ALL, apart)
    name, chosen = reference
    yield _real(real, name, ALL, chosen)


def unguided_rows(generated: GeneratedImages) -> tuple[str, np.ndarray] | None:
    """The set of unguided images alone that has the most of them, and its rows in the table ``[n]``; ``None`` where
    there is none. Of equal ones the first."""
    plain = (generated.table[Column.TARGET_CLASS] < 0) & (generated.table[Column.SCALE] == 0)
    whole = {
        name: rows for name, rows in generated.table.groupby("set", sort=False).indices.items() if plain[rows].all()
    }
    return max(whole.items(), key=lambda item: len(item[1])) if whole else None


def labels(name: str, target: str, scale: float, count: int) -> dict[str, Any]:
    """The first columns of a row."""
    return {"set": name, "target_class": target, Column.SCALE.value: scale, "n": count}


def with_ends(*names: str) -> list[str]:
    """Columns of figures, each followed by the two ends of its interval."""
    return [f"{name}{end}" for name in names for end in ("", "_low", "_high")]


def share(name: str, hits: np.ndarray, clusters: np.ndarray | None = None) -> dict[str, float]:
    """A share ``name`` of ``hits`` ``[n]`` and its interval ``_low`` to ``_high``; see
    :func:`~monai_minority.evaluation.intervals.wilson`.

    >>> share("above", np.zeros(0, bool))
    {'above': nan, 'above_low': nan, 'above_high': nan}
    """
    return dict(zip(with_ends(name), estimated_share(hits, clusters), strict=True))


def mean(
    name: str, values: np.ndarray, clusters: np.ndarray, settings: MeasureSettings, stem: str | None = None
) -> dict[str, float]:
    """A mean ``name`` of ``values`` ``[n]`` and its bootstrap interval ``<stem>_low`` to ``<stem>_high``."""
    low = high = float("nan")
    if len(values):
        low, high = bootstrap(weighted_mean(values), clusters, settings.resamples, seed=settings.seed)
    average, stem = float(values.mean()) if len(values) else float("nan"), stem or name
    return {name: average, f"{stem}_low": low, f"{stem}_high": high}


def _real(real: RealImages, name: str, target: str, index: np.ndarray) -> Row:
    head, none = labels(name, target, float("nan"), len(index)), np.zeros(len(index), np.int64)
    subjects = pd.factorize(real.subjects[index])[0]  # numbers are soon compared, names are not
    return Row(head, index, real.table.iloc[index], real.features[index], subjects, none)


def _generated(generated: GeneratedImages, name: str, target: str, scale: float, index: np.ndarray) -> Row:
    part = generated.table.iloc[index]
    classes = part.groupby([Column.SCALE.value, Column.TARGET_CLASS.value]).ngroup().to_numpy()
    head = labels(name, target, scale, len(index))
    return Row(head, index, part, generated.features[index], part[Column.SEED].to_numpy(), classes)
