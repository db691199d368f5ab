"""One row a set and target class: the figures that a report's tables and findings are made of."""

from typing import Any

import numpy as np
import pandas as pd

from monai_minority.evaluation.density import NeighbourIndex
from monai_minority.evaluation.fidelity import UNKNOWN, DistanceFigures
from monai_minority.tables.equal_shares import equal_shares
from monai_minority.tables.fidelity import distances_between
from monai_minority.tables.frechet_floor import UNKNOWN_RELATIVE, frechet_floor, relative_distances
from monai_minority.tables.images import GeneratedImages, RealImages
from monai_minority.tables.measures import summarised
from monai_minority.tables.reference import choose_reference
from monai_minority.tables.rows import REAL, Row, generated_rows, mean, real_rows, share, unguided_rows, with_ends
from monai_minority.tables.settings import MeasureSettings

PERCENTILE = 90
"""Images above this percentile of the training images' AvgkNN count as rare."""


def summary_table(
    real: RealImages, generated: GeneratedImages, settings: MeasureSettings
) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Summarise real and generated images, by set and by target class.

    Each row has ``set``, ``target_class`` (a number or ``"all"``; of real training images their minority
    class), ``guidance_scale`` (NaN for real images and where a row mixes several), ``n``, and of each measure at hand
    (:data:`~monai_minority.tables.measures.MEASURES`) and each detector ``_mean`` with its interval ``_low`` to
    ``_high`` and the quantiles ``_q10``, ``_q50``, ``_q90``. Then, where they mean something:

    - ``above_p90``: share above the 90th percentile of the training images' AvgkNN, with its Wilson interval;
    - ``rarity_valid``: share inside some ball of training images, hence with a rarity, and its Wilson interval: the
      precision among all training images, or how many look real;
    - ``frechet_above_floor``: see :mod:`~monai_minority.tables.frechet_floor`;
    - ``frechet_distance`` to the most unique real images, from all ``n``, with its interval;
      ``frechet_distance_equal_n`` from ``equal_n`` images of each row (the fewest that a row of generated images has),
      with its interval, for rows of different ``n`` have distances of different bias. They are drawn so that classes
      have equal shares and subjects and seeds are spread; see
      :func:`~monai_minority.tables.equal_shares.equal_shares`;
    - ``kernel_distance`` to them (KID, unbiased), with its interval;
    - ``precision``, ``recall`` and ``coverage`` against the same, with Wilson intervals, and ``density`` with a
      bootstrap interval; NaN for rows of too few images;
    - ``duplicates``: share as near to another image of its set as hardly any two subjects are.

    Rows of real training images have the distances and what follows only where the reference is apart from training.
    All intervals know that slices of a subject, and images of a seed in several classes, belong together.

    Returns:
        The table, and what the reference is.

    Raises:
        ValueError: see :func:`~monai_minority.tables.reference.choose_reference`.
    """
    knn = real.table["average_knn"].to_numpy()
    reference = choose_reference(real.table, settings)
    chosen, unseen = reference.rows, reference.never_trained_on
    threshold = float(np.percentile(knn[real.training], PERCENTILE))
    made = list(generated_rows(generated))
    equal_n = min(len(row.rows) for row in made)
    compare = _Comparison(real, chosen, threshold, equal_n, settings)
    records = []
    for row in real_rows(real, (reference.name, chosen), settings):
        fidelity = compare.fidelity(row) if unseen and row.labels["set"] == REAL else {}
        records.append({**row.labels, **compare.measures(row), **compare.above(row), **fidelity})
    floor = frechet_floor(real.features[chosen], real.subjects[chosen], settings)
    above_floor, first = relative_distances(floor, made, unguided_rows(generated), settings), len(records)
    for row in made:
        duplicates = {"duplicates": float(row.table["duplicate"].mean())}
        figures = compare.measures(row) | compare.above(row) | compare.fidelity(row) | duplicates
        records.append(row.labels | figures | above_floor.get(len(records) - first, UNKNOWN_RELATIVE))
    context = {
        "reference": reference.description,
        "reference_name": reference.name,
        "reference_measure": settings.reference_measure,
        "reference_size": len(chosen),
        "reference_size_asked": settings.reference_size,
        "reference_never_trained_on": bool(unseen),
        "reference_rows": chosen.tolist(),
        "p90_average_knn": threshold,
        "equal_n": equal_n,
        "frechet_floor": None if floor is None else floor.distance,
    }
    return pd.DataFrame(records), context


class _Comparison:
    """Figures of the images of a row against the same reference."""

    def __init__(
        self, real: RealImages, chosen: np.ndarray, threshold: float, equal_n: int, settings: MeasureSettings
    ) -> None:
        self.k, self.settings = settings.neighbours, settings
        self.columns = summarised(real.bank.detectors)
        self.reference = real.features[chosen]
        self.subjects = pd.factorize(real.subjects[chosen])[0]
        # Without room for a ball there is no precision; the distances remain.
        self.index = NeighbourIndex(self.reference, k=0, ball=self.k) if len(chosen) > self.k else None
        self.threshold, self.equal_n = threshold, equal_n

    def measures(self, row: Row) -> dict[str, float]:
        """Mean, interval and quantiles of each measure, NaN left out."""
        figures: dict[str, float] = {}
        for measure in self.columns:
            if measure not in row.table:
                continue
            known = row.table[measure].notna().to_numpy()
            values = row.table[measure].to_numpy(dtype=np.float64)[known]
            figures |= mean(f"{measure}_mean", values, row.clusters[known], self.settings, measure)
            quantiles = np.quantile(values, [0.1, 0.5, 0.9]) if len(values) else [np.nan] * 3
            figures |= {f"{measure}_q{q}": float(v) for q, v in zip((10, 50, 90), quantiles, strict=True)}
            if measure == "rarity":
                figures |= share("rarity_valid", known, row.clusters)
        return figures

    def above(self, row: Row) -> dict[str, float]:
        """Share above the real percentile of AvgkNN."""
        return share("above_p90", (row.table["average_knn"] > self.threshold).to_numpy(), row.clusters)

    def fidelity(self, row: Row) -> dict[str, float]:
        """Distances to the reference, and how the manifolds overlap."""
        figures = self._distances(row)
        precision = recall = coverage = np.empty(0, bool)
        density, seeds, subjects = np.empty(0), row.clusters[:0], self.subjects[:0]
        if self.index is not None and len(row.features) > self.k:
            balls = self.index.balls(NeighbourIndex(row.features, k=0, ball=self.k), self.k)
            assert balls.reached is not None
            precision, recall, coverage, density = balls.count > 0, balls.reached, balls.occupied, balls.count / self.k
            seeds, subjects = row.clusters, self.subjects
        shares = share("precision", precision, seeds) | share("recall", recall, subjects)
        shares |= share("coverage", coverage, subjects)
        return figures | shares | mean("density", density, seeds, self.settings)

    def _distances(self, row: Row) -> dict[str, float]:
        found = self._between(row.features, row.clusters)
        equal = found if len(row.features) == self.equal_n else UNKNOWN
        if len(row.features) > self.equal_n:
            taken = equal_shares(self.equal_n, row.classes, row.clusters, self.settings.seed)
            equal = self._between(row.features[taken], row.clusters[taken])
        figures: dict[str, float] = {}
        for name, value, interval in (
            ("frechet_distance", found.frechet, found.frechet_interval),
            ("kernel_distance", found.kernel, found.kernel_interval),
            ("frechet_distance_equal_n", equal.frechet, equal.frechet_interval),
        ):
            figures |= zip(with_ends(name), (value, *interval), strict=True)
        return figures

    def _between(self, features: np.ndarray, clusters: np.ndarray) -> DistanceFigures:
        if min(len(features), len(self.reference)) < 2:
            return UNKNOWN
        return distances_between(self.reference, features, self.subjects, clusters, self.settings)
