"""One row an image: densities, scores and nearest neighbours of real and of generated images."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import nn
from tqdm import tqdm

from monai_minority.data.store.image_store import ImageStore
from monai_minority.evaluation.density import NeighbourIndex, PyODDetector, average_knn, local_outlier_factor, rarity
from monai_minority.evaluation.memorization import audit, nearest_real
from monai_minority.evaluation.other_subjects import average_knn_of_others, neighbours_to_keep
from monai_minority.keys import Column, Split
from monai_minority.networks.conditioning import takes_class_labels
from monai_minority.scoring import MinorityScore, QuantileClasses

SEVERITY_MEASURE = "severity_measure"
"""Column of a severity measured in the pixels, as against the one that came with the data."""

_KNOWN = (Column.SPLIT, Column.GROUP, Column.SEVERITY, Column.SCORE, Column.MINORITY_CLASS)


@dataclass(frozen=True)
class Pictures:
    """A store, its features ``[N, D]`` and how to measure severity in its images."""

    store: ImageStore
    features: np.ndarray
    severity: Callable[[torch.Tensor], Any] | None = None
    batch_size: int = 64

    def measured_severity(self) -> dict[str, np.ndarray]:
        """The column of measured severity, or no column where nothing measures it."""
        if self.severity is None:
            return {}
        parts = [np.asarray(self.severity(self.store.batch(rows)), dtype=np.float64) for rows in self.batches()]
        return {SEVERITY_MEASURE: np.concatenate(parts)}

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
        index: the training images' features.
        neighbours: k of AvgkNN and Rarity.
        lof_neighbours: k of LOF.
        detectors: of PyOD, fitted to the training images.
    """

    table: pd.DataFrame
    features: np.ndarray
    subjects: np.ndarray
    training: np.ndarray
    index: NeighbourIndex
    neighbours: int
    lof_neighbours: int
    detectors: Mapping[str, PyODDetector] = field(default_factory=dict)


@dataclass(frozen=True)
class GeneratedImages:
    """Generated images measured.

    Attributes:
        table: see :func:`generated_table`.
        features: ``[M, D]``, in the order of the table.
        copy_threshold: distance to a training image below which an image is a suspected copy.
    """

    table: pd.DataFrame
    features: np.ndarray
    copy_threshold: float


def real_table(
    real: Pictures, *, neighbours: int, lof_neighbours: int, detectors: Mapping[str, PyODDetector] | None = None
) -> RealImages:
    """Measure real images among the training images.

    AvgkNN of a training image leaves out all images of its subject, so that it is measured as an image of someone
    never seen is: among other people. LOF, Rarity and PyOD's detectors leave out the image alone, as these are
    defined: LOF compares the density about an image with that about its neighbours, to both of which a subject's other
    slices add, and a ball of Rarity may be that of another slice of the subject. Percentiles and references of those
    are thus of training images among their own subject's slices.

    The table has ``row`` (in the store), those of ``split``, ``group``, ``severity``, ``minority_score`` and
    ``minority_class`` that the store has, ``average_knn``, ``local_outlier_factor``, ``rarity`` (NaN outside every
    ball), a column a detector under its name, and where it is measured ``severity_measure``. Names of subjects and
    sources stay behind.

    Raises:
        ValueError: the store lacks ``split`` or ``minority_score``, or too few images are training ones, or of other
            subjects than one.
    """
    known = real.store.table
    for column, stage in ((Column.SPLIT, "prepare"), (Column.SCORE, "score")):
        if column not in known:
            raise ValueError(f"store must have the column {column.value!r}, got {list(known)}; run the {stage} stage")
    training = np.flatnonzero(known[Column.SPLIT] == Split.TRAIN)
    rest = np.setdiff1d(np.arange(len(known)), training)
    if len(training) <= max(neighbours, lof_neighbours):
        raise ValueError(
            f"store must have more than {max(neighbours, lof_neighbours)} images of split 'train' for neighbours="
            f"{neighbours} and lof_neighbours={lof_neighbours}, got {len(training)}; choose smaller numbers"
        )
    subjects = known[Column.SUBJECT].to_numpy() if Column.SUBJECT in known else np.arange(len(known))
    kept = neighbours_to_keep(neighbours, subjects[training])
    index = NeighbourIndex(real.features[training], k=max(kept, lof_neighbours), ball=neighbours)
    fitted = {name: detector.fit(real.features[training]) for name, detector in (detectors or {}).items()}
    density = {name: np.empty(len(known)) for name in ("average_knn", "local_outlier_factor", "rarity", *fitted)}
    density["average_knn"][training] = average_knn_of_others(index, subjects[training], neighbours)
    density["average_knn"][rest] = average_knn(index, real.features[rest], neighbours) if len(rest) else ()
    for rows, query in ((training, None), (rest, real.features[rest])):
        if len(rows):
            density["local_outlier_factor"][rows] = local_outlier_factor(index, query, lof_neighbours)
            density["rarity"][rows] = rarity(index, query, neighbours)
            for name, detector in fitted.items():
                density[name][rows] = detector.scores(query)
    table = pd.DataFrame({"row": np.arange(len(known))})
    columns = {column.value: known[column].to_numpy() for column in _KNOWN if column in known}
    table = table.assign(**columns, **density, **real.measured_severity())
    return RealImages(table, real.features, subjects, training, index, neighbours, lof_neighbours, fitted)


def generated_table(
    real: RealImages,
    sets: Mapping[str, Pictures],
    score: MinorityScore,
    *,
    classes: QuantileClasses | None = None,
    group_column: str | None = None,
    copy_quantile: float = 0.01,
    device: torch.device | str | None = None,
    progress: bool = True,
) -> GeneratedImages:
    """Measure generated images among the training images.

    The table has ``set``, ``row`` (in its store), ``seed``, ``target_class``, ``guidance_scale``,
    ``class_label`` where they have it, ``minority_score`` with ``minority_score_error``, ``minority_class`` of that
    score where ``classes`` are given (and the images have the ``group_column`` these were fitted within),
    ``average_knn``, ``local_outlier_factor``, ``rarity`` (NaN outside every ball), a column a detector,
    ``nearest_real`` (row of the real store) and ``nearest_distance``, ``suspected_copy`` (nearer to a training image
    than nearly all subjects are to each other), ``duplicate`` (as near to another image of its set) and where it is
    measured ``severity_measure``.

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
        scores = _scores(name, pictures, score, device, progress)
        if classes is not None and (group_column is None or group_column in known):
            groups = None if group_column is None else known[group_column].to_numpy()
            part[Column.MINORITY_CLASS.value] = classes.transform(scores[Column.SCORE.value], groups)
        parts.append(part.assign(**scores, **pictures.measured_severity()))
    table = pd.concat(parts, ignore_index=True)
    features = np.concatenate([pictures.features for pictures in sets.values()])
    return place_generated(table, real, features, copy_quantile)


def place_generated(
    table: pd.DataFrame, real: RealImages, features: np.ndarray, copy_quantile: float = 0.01
) -> GeneratedImages:
    """Give generated images their densities and nearest neighbours among the training images.

    Args:
        table: one row a generated image, with the column ``set``; it gets the columns of
            :func:`generated_table` from ``average_knn`` on.
        real: real images measured in the same feature space.
        features: of the generated images, ``[M, D]``.
        copy_quantile: see :func:`~monai_minority.evaluation.memorization.audit`.
    """
    near = nearest_real(real.index, features)
    copies = audit(real.features[real.training], features, real.subjects[real.training], copy_quantile)
    table["average_knn"] = average_knn(real.index, features, real.neighbours)
    table["local_outlier_factor"] = local_outlier_factor(real.index, features, real.lof_neighbours)
    table["rarity"] = np.asarray(rarity(real.index, features, real.neighbours))
    for rows in table.groupby("set", sort=False).indices.values():
        # Some detectors (ECOD, COPOD) judge queries beside each other; a set must not depend on what others there are.
        for name, detector in real.detectors.items():
            table.loc[rows, name] = detector.scores(features[rows])
    table["nearest_real"] = real.training[near.indices[:, 0]]
    table["nearest_distance"] = near.distances[:, 0]
    table["suspected_copy"] = copies.suspected
    table["duplicate"] = False
    for _, rows in table.groupby("set", sort=False).indices.items():
        if len(rows) > 1:
            own = NeighbourIndex(features[rows], k=1, ball=0).own.distances[:, 0]
            table.loc[rows, "duplicate"] = own < copies.threshold
    return GeneratedImages(table, features, copies.threshold)


def _scores(
    name: str,
    pictures: Pictures,
    score: MinorityScore,
    device: torch.device | str | None,
    progress: bool,
) -> dict[str, np.ndarray]:
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
    if device is None and isinstance(score.network, nn.Module):
        device = next((p.device for p in score.network.parameters()), None)
    results = [
        score(
            pictures.store.batch(rows).to(device or "cpu"),
            **{key: values[rows].to(device or "cpu") for key, values in call.items()},
        )
        for rows in tqdm(pictures.batches(), desc=f"scores: {name}", unit="batch", disable=not progress)
    ]
    return {
        Column.SCORE.value: torch.cat([result.mean for result in results]).double().cpu().numpy(),
        Column.SCORE_ERROR.value: torch.cat([result.standard_error for result in results]).double().cpu().numpy(),
    }
