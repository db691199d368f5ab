"""One row a set and target class: the figures that a report's tables and findings are made of."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import binomtest

from monai_minority.evaluation.density import NeighbourIndex
from monai_minority.evaluation.fidelity import UNKNOWN, DistanceFigures, bootstrap, distance_figures
from monai_minority.keys import Column
from monai_minority.tables.equal_shares import equal_shares
from monai_minority.tables.images import SEVERITY_MEASURE, GeneratedImages, RealImages
from monai_minority.tables.reference import choose_reference

ALL = "all"
REAL = "real, training"
HELD_OUT = "real, never trained on"
UNIQUE = "real, most unique"
PERCENTILE = 90
"""Generated images above this percentile of the training images' AvgkNN count as rare."""

MEASURES = (
    Column.SCORE.value,
    Column.MINORITY_CLASS.value,
    "average_knn",
    "local_outlier_factor",
    "rarity",
    "nearest_distance",
    SEVERITY_MEASURE,
)


def summary_table(
    real: RealImages,
    generated: GeneratedImages,
    *,
    reference_size: int,
    held_out: Sequence[str],
    reference_measure: str = "average_knn",
    resamples: int = 1000,
    distance_resamples: int = 100,
    seed: int = 0,
) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Summarise real and generated images, by set and by target class.

    Each row has ``set``, ``target_class`` (a number or ``"all"``; of real training images their minority
    class), ``guidance_scale`` (NaN for real images and where a row mixes several), ``n``, and of each of
    :data:`MEASURES` at hand and each detector ``_mean`` with its interval ``_low`` to ``_high`` and the
    quantiles ``_q10``, ``_q50``, ``_q90``. Then, where they mean something:

    - ``above_p90``: share above the 90th percentile of the training images' AvgkNN, with its Wilson interval;
    - ``rarity_valid``: share inside some ball of training images, hence with a rarity;
    - ``frechet_distance`` to the most unique real images, from all ``n``, with its interval;
      ``frechet_distance_equal_n`` from ``equal_n`` images of each row (the fewest that a row of generated images has),
      with its interval, for rows of different ``n`` have distances of different bias. They are drawn so that classes
      have equal shares and subjects and seeds are spread; see
      :func:`~monai_minority.tables.equal_shares.equal_shares`;
    - ``kernel_distance`` to them (KID, unbiased), with its interval;
    - ``precision``, ``recall`` and ``coverage`` against the same, with Wilson intervals, and ``density`` with a
      bootstrap interval; NaN for rows of too few images;
    - ``suspected_copies``, ``duplicates``: shares.

    Rows of real training images have them only where the reference is apart from training.

    Args:
        real: measured real images.
        generated: measured generated images.
        reference_size: number of most unique real images.
        held_out: splits that the backbone never saw.
        reference_measure: what they are most unique by; see
            :func:`~monai_minority.tables.reference.choose_reference`.
        resamples: of the bootstrap; 0 leaves intervals out.
        distance_resamples: of the bootstrap of the two distances; 0 leaves their intervals out.
        seed: of the bootstrap.

    Returns:
        The table, and what the reference is.

    Raises:
        ValueError: see :func:`~monai_minority.tables.reference.choose_reference`.
    """
    knn = real.table["average_knn"].to_numpy()
    apart = np.flatnonzero(real.table[Column.SPLIT.value].isin(list(held_out)))
    reference = choose_reference(real.table, reference_size, held_out, reference_measure)
    chosen, unseen = reference.rows, reference.never_trained_on
    threshold = float(np.percentile(knn[real.training], PERCENTILE))
    groups = list(sets_and_classes(generated.table))
    equal_n = min(len(rows) for _, rows in groups)
    compare = _Comparison(real, chosen, threshold, equal_n, resamples, distance_resamples, seed)

    records = []
    for labels, rows in _real_groups(real, apart, chosen):
        part = real.table.iloc[rows]
        classes = np.zeros(len(rows))  # a subject's slices are in several
        asked = unseen and labels["set"] == REAL
        fidelity = compare.fidelity(real.features[rows], classes, real.subjects[rows]) if asked else {}
        records.append({**labels, **compare.measures(part), **compare.above(part), **fidelity})
    for labels, rows in groups:
        part = generated.table.iloc[rows]
        copies = {
            "suspected_copies": float(part["suspected_copy"].mean()),
            "duplicates": float(part["duplicate"].mean()),
        }
        classes = part.groupby([Column.SCALE.value, Column.TARGET_CLASS.value]).ngroup().to_numpy()
        fidelity = compare.fidelity(generated.features[rows], classes, part[Column.SEED].to_numpy())
        records.append({**labels, **compare.measures(part), **compare.above(part), **fidelity, **copies})
    context = {
        "reference": reference.description,
        "reference_measure": reference_measure,
        "reference_size": len(chosen),
        "reference_size_asked": reference_size,
        "reference_never_trained_on": bool(unseen),
        "reference_rows": chosen.tolist(),
        "p90_average_knn": threshold,
        "equal_n": equal_n,
    }
    return pd.DataFrame(records), context


class _Comparison:
    """Figures of one group of images against the same reference."""

    def __init__(
        self,
        real: RealImages,
        chosen: np.ndarray,
        threshold: float,
        equal_n: int,
        resamples: int,
        distance_resamples: int,
        seed: int,
    ) -> None:
        self.k = real.neighbours
        self.columns = (*MEASURES, *real.detectors)
        self.reference = real.features[chosen]
        # Without room for a ball there is no precision; the distances remain.
        self.index = NeighbourIndex(self.reference, k=0, ball=self.k) if len(chosen) > self.k else None
        self.threshold, self.equal_n = threshold, equal_n
        self.resamples, self.distance_resamples, self.seed = resamples, distance_resamples, seed

    def measures(self, part: pd.DataFrame) -> dict[str, float]:
        """Mean, interval and quantiles of each measure, NaN left out."""
        figures: dict[str, float] = {}
        for measure in self.columns:
            if measure not in part:
                continue
            values = part[measure].dropna().to_numpy(dtype=np.float64)
            figures |= self._mean(f"{measure}_mean", values, measure)
            quantiles = np.quantile(values, [0.1, 0.5, 0.9]) if len(values) else [np.nan] * 3
            figures |= {f"{measure}_q{q}": float(v) for q, v in zip((10, 50, 90), quantiles, strict=True)}
            if measure == "rarity":
                figures["rarity_valid"] = len(values) / len(part)
        return figures

    def above(self, part: pd.DataFrame) -> dict[str, float]:
        """Share above the real percentile of AvgkNN."""
        return share("above_p90", (part["average_knn"] > self.threshold).to_numpy())

    def fidelity(self, features: np.ndarray, classes: np.ndarray, clusters: np.ndarray) -> dict[str, float]:
        """Distances to the reference, and how the manifolds overlap."""
        figures = self._distances(features, classes, clusters)
        precision = recall = coverage = np.empty(0, bool)
        density = np.empty(0)
        if self.index is not None and len(features) > self.k:
            balls = self.index.balls(NeighbourIndex(features, k=0, ball=self.k), self.k)
            assert balls.reached is not None
            precision, recall, coverage, density = balls.count > 0, balls.reached, balls.occupied, balls.count / self.k
        shares = share("precision", precision) | share("recall", recall) | share("coverage", coverage)
        return figures | shares | self._mean("density", density)

    def _distances(self, features: np.ndarray, classes: np.ndarray, clusters: np.ndarray) -> dict[str, float]:
        found = self._between(features)
        equal = found if len(features) == self.equal_n else UNKNOWN
        if len(features) > self.equal_n:
            equal = self._between(features[equal_shares(self.equal_n, classes, clusters, self.seed)])
        figures: dict[str, float] = {}
        for name, value, (low, high) in (
            ("frechet_distance", found.frechet, found.frechet_interval),
            ("kernel_distance", found.kernel, found.kernel_interval),
            ("frechet_distance_equal_n", equal.frechet, equal.frechet_interval),
        ):
            figures |= {name: value, f"{name}_low": low, f"{name}_high": high}
        return figures

    def _between(self, features: np.ndarray) -> DistanceFigures:
        if min(len(features), len(self.reference)) < 2:
            return UNKNOWN
        return distance_figures(self.reference, features, resamples=self.distance_resamples, seed=self.seed)

    def _mean(self, name: str, values: np.ndarray, stem: str | None = None) -> dict[str, float]:
        low = high = np.nan
        if self.resamples and len(values):
            low, high = bootstrap(np.mean, values, resamples=self.resamples, seed=self.seed)
        mean, stem = float(values.mean()) if len(values) else float("nan"), stem or name
        return {name: mean, f"{stem}_low": low, f"{stem}_high": high}


def share(name: str, hits: np.ndarray) -> dict[str, float]:
    """A share and its Wilson interval: that of resampling has no width where all or none are hits."""
    if not len(hits):
        return dict.fromkeys((name, f"{name}_low", f"{name}_high"), float("nan"))
    low, high = binomtest(int(hits.sum()), len(hits)).proportion_ci(method="wilson")
    return {name: float(hits.mean()), f"{name}_low": float(low), f"{name}_high": float(high)}


def sets_and_classes(table: pd.DataFrame) -> Iterator[tuple[dict[str, Any], np.ndarray]]:
    """Rows of each set: all of them, then each guided target class at each scale."""
    for name, rows in table.groupby("set", sort=False).indices.items():
        part = table.iloc[rows]
        scales = part[Column.SCALE].unique()
        scale = float(scales[0]) if len(scales) == 1 else float("nan")
        yield _labels(name, ALL, scale, rows), rows
        guided = part[part[Column.TARGET_CLASS] >= 0]
        for (scale, target), index in guided.groupby([Column.SCALE.value, Column.TARGET_CLASS.value]).groups.items():
            yield _labels(name, str(target), float(scale), index), index.to_numpy()


def _real_groups(
    real: RealImages, apart: np.ndarray, chosen: np.ndarray
) -> Iterator[tuple[dict[str, Any], np.ndarray]]:
    yield _labels(REAL, ALL, float("nan"), real.training), real.training
    if Column.MINORITY_CLASS in real.table:
        classes = real.table[Column.MINORITY_CLASS].to_numpy()[real.training]
        for target in np.unique(classes[~np.isnan(classes.astype(float))]):
            rows = real.training[classes == target]
            yield _labels(REAL, str(int(target)), float("nan"), rows), rows
    if len(apart):
        yield _labels(HELD_OUT, ALL, float("nan"), apart), apart
    yield _labels(UNIQUE, ALL, float("nan"), chosen), chosen


def _labels(name: str, target: str, scale: float, rows: Any) -> dict[str, Any]:
    return {"set": name, "target_class": target, Column.SCALE.value: scale, "n": len(rows)}
