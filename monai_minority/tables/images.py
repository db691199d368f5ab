"""One row an image: densities, scores and nearest neighbours of real and of generated images."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import torch

from monai_minority.data.store.image_store import ImageStore
from monai_minority.evaluation.density import NeighbourIndex
from monai_minority.evaluation.nearest import NearestReal, nearest_other, nearest_real
from monai_minority.evaluation.other_subjects import neighbours_to_keep
from monai_minority.keys import Column, Split
from monai_minority.networks.wrappers import takes_class_labels
from monai_minority.progress import progress_bar
from monai_minority.scoring import MinorityScore, QuantileClasses
from monai_minority.tables.measures import BRIGHTNESS, SEVERITY_MEASURE, Bank, in_features
from monai_minority.tables.settings import MeasureSettings

DUPLICATE_QUANTILE = 0.01
"""An image as near to another of its set as this share of the training images are to someone else's is a duplicate."""

_KNOWN = (Column.SPLIT, Column.GROUP, Column.SEVERITY, Column.SCORE, Column.MINORITY_CLASS)


@dataclass(frozen=True)
class Pictures:
    """A store, its features ``[N, D]``, how to measure severity in its images, and whether to measure brightness."""

    store: ImageStore
    features: np.ndarray
    severity: Callable[[torch.Tensor], Any] | None = None
    batch_size: int = 64
    brightness: bool = False

    def measured_pixels(self) -> dict[str, np.ndarray]:
        """The columns that are measured in the pixels, those that are asked for."""
        found: dict[str, Callable[[torch.Tensor], Any]] = {}
        if self.severity is not None:
            found[SEVERITY_MEASURE] = self.severity
        if self.brightness:
            found[BRIGHTNESS] = lambda images: images.flatten(1).mean(dim=1)
        return {
            name: np.concatenate([np.asarray(measure(self.store.batch(rows)), np.float64) for rows in self.batches()])
            for name, measure in found.items()
        }

    def batches(self) -> list[np.ndarray]:
        """Rows of the store, a batch at a time."""
        return np.split(np.arange(len(self.store)), range(self.batch_size, len(self.store), self.batch_size))


@dataclass(frozen=True)
class RealImages:
    """Real images measured.

    Attributes:
        table: see :func:`real_table`.
        features: ``[N, D]``.
        subjects: subject of each image ``[N]``; kept out of the table, which leaves the cohort.
        training: rows of the training images.
        bank: the training images, ready to measure others among them.
    """

    table: pd.DataFrame
    features: np.ndarray
    subjects: np.ndarray
    training: np.ndarray
    bank: Bank


@dataclass(frozen=True)
class GeneratedImages:
    """Generated images measured.

    Attributes:
        table: see :func:`generated_table`.
        features: ``[M, D]``, in the order of the table.
        duplicate_threshold: distance to another image of its set below which an image is a duplicate.
    """

    table: pd.DataFrame
    features: np.ndarray
    duplicate_threshold: float


def real_table(real: Pictures, settings: MeasureSettings) -> RealImages:
    """Measure real images among the training images.

    AvgkNN of a training image leaves out all images of its subject, so that it is measured as an image of someone
    never seen is: among other people. LOF, Rarity and PyOD's detectors leave out the image alone, as these are
    defined: LOF compares the density about an image with that about its neighbours, to both of which a subject's other
    slices add, and a ball of Rarity may be that of another slice of the subject. Percentiles and references of those
    are thus of training images among their own subject's slices.

    The table has ``row`` (in the store), those of ``split``, ``group``, ``severity``, ``minority_score`` and
    ``minority_class`` that the store has, the column ``matched_by`` where the settings name one, ``average_knn``,
    ``local_outlier_factor``, ``rarity`` (NaN outside every ball), a column a detector under its name, where they are
    measured ``severity_measure`` and ``brightness``. Names of subjects and sources stay behind.

    Raises:
        ValueError: the store lacks ``split`` or ``minority_score``, ``matched_by`` is no numeric column of it, or too
            few images are training ones, or of other subjects than one.
    """
    known = real.store.table
    for column, stage in ((Column.SPLIT, "prepare"), (Column.SCORE, "score")):
        if column not in known:
            raise ValueError(f"store must have the column {column.value!r}, got {list(known)}; run the {stage} stage")
    matched = settings.matched_by
    if matched is not None and not (matched in known and pd.api.types.is_numeric_dtype(known[matched])):
        raise ValueError(
            f"matched_by must be a numeric column of the store, got {matched!r}; it has {', '.join(known)}: carry it "
            "over from the cohort with carried_columns, or give null"
        )
    training = np.flatnonzero(known[Column.SPLIT] == Split.TRAIN)
    rest = np.setdiff1d(np.arange(len(known)), training)
    subjects = known[Column.SUBJECT].to_numpy() if Column.SUBJECT in known else np.arange(len(known))
    bank, query = _bank(real.features[training], subjects[training], settings), real.features[rest]
    columns = {column.value: known[column].to_numpy() for column in _KNOWN if column in known}
    if matched is not None:
        columns[matched] = known[matched].to_numpy()
    for measure in in_features(bank.detectors):
        if measure.training is None or measure.others is None:
            continue
        columns[measure.name] = np.empty(len(known))
        columns[measure.name][training] = measure.training(bank)
        if len(rest):
            columns[measure.name][rest] = measure.others(bank, query)
    table = pd.DataFrame({"row": np.arange(len(known))}).assign(**columns, **real.measured_pixels())
    return RealImages(table, real.features, subjects, training, bank)


def generated_table(
    real: RealImages,
    sets: Mapping[str, Pictures],
    score: MinorityScore,
    settings: MeasureSettings,
    *,
    classes: QuantileClasses | None = None,
    group_column: str | None = None,
) -> GeneratedImages:
    """Measure generated images among the training images.

    The table has ``set``, ``row`` (in its store), ``seed``, ``target_class``, ``guidance_scale``,
    ``class_label`` where they have it, ``minority_score`` with ``minority_score_error``, ``minority_class`` of that
    score where ``classes`` are given (and the images have the ``group_column`` these were fitted within), where
    they are measured ``severity_measure`` and ``brightness``, and the columns of :func:`place_generated`.

    Raises:
        ValueError: a store lacks a column.
    """
    parts = []
    for name, pictures in sets.items():
        known = pictures.store.table
        missing = [c.value for c in (Column.SEED, Column.TARGET_CLASS, Column.SCALE) if c not in known]
        if missing:
            raise ValueError(f"samples[{name!r}] must have the columns {missing}, got {list(known)}; sample again")
        part = pd.DataFrame({"set": name, "row": np.arange(len(known))})
        for column in (Column.SEED, Column.TARGET_CLASS, Column.SCALE, Column.CLASS_LABEL):
            if column in known:
                part[column.value] = known[column].to_numpy()
        scores = _scores(name, pictures, score, settings)
        if classes is not None and (group_column is None or group_column in known):
            groups = None if group_column is None else known[group_column].to_numpy()
            part[Column.MINORITY_CLASS.value] = classes.transform(scores[Column.SCORE.value], groups)
        parts.append(part.assign(**scores, **pictures.measured_pixels()))
    table = pd.concat(parts, ignore_index=True)
    return place_generated(table, real, np.concatenate([pictures.features for pictures in sets.values()]))


def place_generated(table: pd.DataFrame, real: RealImages, features: np.ndarray) -> GeneratedImages:
    """Give generated images their densities and nearest neighbours among the training images.

    Args:
        table: one row a generated image, with the column ``set``; it gets ``average_knn``, ``local_outlier_factor``,
            ``rarity`` (NaN outside every ball), ``nearest_distance``, a column a detector, ``nearest_real`` (row of
            the real store), and ``duplicate``: nearer to another image of its set than nearly all subjects are to
            each other.
        real: real images measured in the same feature space.
        features: of the generated images, ``[M, D]``.
    """
    bank = real.bank
    own = bank.index.neighbours(None, bank.index.k)
    apart = nearest_other(NearestReal(own.distances, own.indices), bank.subjects, bank.subjects).distances
    threshold = float(np.quantile(apart, DUPLICATE_QUANTILE))
    measures = in_features(bank.detectors)
    columns: dict[str, np.ndarray] = {measure.name: np.empty(len(table)) for measure in measures}
    columns |= {"nearest_real": np.empty(len(table), np.int64), "duplicate": np.zeros(len(table), bool)}
    # Some detectors (ECOD, COPOD) judge queries beside each other; a set must not depend on what others there are.
    for rows in table.groupby("set", sort=False).indices.values():
        query = features[rows]
        for measure in measures:
            if measure.others is not None:
                columns[measure.name][rows] = measure.others(bank, query)
        columns["nearest_real"][rows] = real.training[nearest_real(bank.index, query).indices[:, 0]]
        if len(rows) > 1:
            columns["duplicate"][rows] = NeighbourIndex(query, k=1, ball=0).own.distances[:, 0] < threshold
    return GeneratedImages(table.assign(**columns), features, threshold)


def _bank(features: np.ndarray, subjects: np.ndarray, settings: MeasureSettings) -> Bank:
    """The training images of these features ``[N, D]`` and subjects ``[N]``, ready to be asked."""
    neighbours, lof_neighbours = settings.neighbours, settings.lof_neighbours
    if len(features) <= max(neighbours, lof_neighbours):
        raise ValueError(
            f"store must have more than {max(neighbours, lof_neighbours)} images of split 'train' for neighbours="
            f"{neighbours} and lof_neighbours={lof_neighbours}, got {len(features)}; choose smaller numbers"
        )
    kept = max(neighbours_to_keep(neighbours, subjects), lof_neighbours)
    index = NeighbourIndex(features, k=kept, ball=neighbours)
    fitted = {name: made.fit(features) for name, made in settings.fresh_detectors().items()}
    return Bank(index, subjects, neighbours, lof_neighbours, fitted)


def _scores(name: str, pictures: Pictures, score: MinorityScore, settings: MeasureSettings) -> dict[str, np.ndarray]:
    known = pictures.store.table
    columns = {"seeds": Column.SEED}
    if takes_class_labels(score.network, unknown=False):
        if Column.CLASS_LABEL not in known:
            raise ValueError(
                f"samples[{name!r}] must have the column {Column.CLASS_LABEL.value!r}, for the network of the score is "
                "conditional on it; sample again"
            )
        columns["class_labels"] = Column.CLASS_LABEL
    call = {key: torch.from_numpy(known[column].to_numpy(copy=True)) for key, column in columns.items()}
    device = settings.device or score.device
    results = [
        score(pictures.store.batch(rows).to(device), **{key: values[rows].to(device) for key, values in call.items()})
        for rows in progress_bar(pictures.batches(), f"scores: {name}", unit="batch", enabled=settings.progress)
    ]
    return {
        Column.SCORE.value: torch.cat([result.mean for result in results]).double().cpu().numpy(),
        Column.SCORE_ERROR.value: torch.cat([result.standard_error for result in results]).double().cpu().numpy(),
    }
