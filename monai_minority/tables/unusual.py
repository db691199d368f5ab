"""The most unusual images and subjects of a cohort, to be looked at: rare anatomy, or an artefact."""

import numpy as np
import pandas as pd

from monai_minority.data.cohort.pseudonyms import is_pseudonym
from monai_minority.data.store.image_store import ImageStore
from monai_minority.evaluation.nearest import look_alikes
from monai_minority.keys import Column
from monai_minority.tables.images import RealImages
from monai_minority.tables.measures import RANKERS
from monai_minority.tables.reference import most_unique

NEIGHBOURS = 3
"""Training images of other subjects that are shown beside an unusual one."""

_BLOCK = 4096  # training images compared at a time
_ABOUT = (Column.SLICE, Column.POSITION, Column.SPLIT, Column.GROUP, Column.SEVERITY, Column.SCORE_ERROR)


def unusual_images(real: RealImages, store: ImageStore, count: int = 50) -> pd.DataFrame:
    """The images of the highest minority scores, each with the training images that look most like it.

    Returns:
        One row an image, highest score first: ``rank`` from 1, ``row`` (in the store), ``subject`` (its pseudonym;
        empty where the store calls subjects by other names), what the store has of ``slice``, ``position``, ``split``,
        ``group``, ``severity`` and ``minority_score_error``; ``minority_score``, ``average_knn`` and
        ``local_outlier_factor``, each with ``…_percentile``, how many in a hundred training images lie below; for the
        nearest training images of other subjects ``neighbour_1_row``, ``_subject`` and ``_distance`` (in feature
        space), …, up to :data:`NEIGHBOURS`.
    """
    known, scores = store.table, real.table[Column.SCORE.value]
    rows = most_unique(scores, min(count, int(scores.notna().sum())))
    table = pd.DataFrame({"rank": np.arange(1, len(rows) + 1), "row": rows, "subject": _shown(real.subjects[rows])})
    for column in _ABOUT:
        if column in known:
            table[column.value] = known[column].to_numpy()[rows]
    for measure in RANKERS:
        values = real.table[measure].to_numpy(dtype=np.float64)
        table[measure] = values[rows]
        table[f"{measure}_percentile"] = _percentile(values[real.training], values[rows])
    return table.join(_neighbours(real, rows))


def unusual_subjects(real: RealImages, store: ImageStore) -> pd.DataFrame:
    """Every subject by the mean score of its images, highest first.

    Returns:
        One row a subject: ``rank``, ``subject`` (pseudonym or empty), ``images``, ``split`` and ``group`` where the
        store has them (of its first image), ``mean_score``, ``mean_score_percentile`` among the subjects,
        ``highest_score`` and ``highest_row``, its most unusual image.
    """
    names, first, codes = np.unique(real.subjects, return_index=True, return_inverse=True)
    scores = real.table[Column.SCORE.value]
    groups = scores.groupby(codes)
    table = pd.DataFrame({"subject": _shown(names), "images": groups.size()})
    for column in (Column.SPLIT, Column.GROUP):
        if column in store.table:
            table[column.value] = store.table[column].to_numpy()[first]
    table["mean_score"] = groups.mean()
    table["mean_score_percentile"] = _percentile(table["mean_score"].to_numpy(), table["mean_score"].to_numpy())
    table["highest_score"] = groups.max()
    table["highest_row"] = scores.fillna(-np.inf).groupby(codes).idxmax()
    table = table.sort_values("mean_score", ascending=False, kind="stable").reset_index(drop=True)
    table.insert(0, "rank", np.arange(1, len(table) + 1))
    return table


def _neighbours(real: RealImages, rows: np.ndarray) -> pd.DataFrame:
    training = np.split(real.training, range(_BLOCK, len(real.training), _BLOCK))
    near = look_alikes(
        real.features[rows],
        (real.features[part] for part in training),
        NEIGHBOURS,
        subject=real.subjects[rows],
        subjects=real.subjects[real.training],
    )
    columns: dict[str, pd.Series] = {}
    for k in range(NEIGHBOURS):
        known = near.indices[:, k] >= 0
        neighbour = real.training[near.indices[:, k]]
        columns[f"neighbour_{k + 1}_row"] = pd.Series(neighbour).astype("Int64").where(known)
        columns[f"neighbour_{k + 1}_subject"] = pd.Series(_shown(real.subjects[neighbour])).where(known, "")
        columns[f"neighbour_{k + 1}_distance"] = pd.Series(near.distances[:, k]).where(known)
    return pd.DataFrame(columns)


def _shown(subjects: np.ndarray) -> np.ndarray:
    """Pseudonyms as they are, and nothing in place of any other name: that may be the person's own."""
    return np.array([name if is_pseudonym(name) else "" for name in subjects], dtype=object)


def _percentile(among: np.ndarray, values: np.ndarray) -> np.ndarray:
    known = np.sort(among[~np.isnan(among)])
    return np.where(np.isnan(values), np.nan, 100 * np.searchsorted(known, values) / max(1, len(known)))
