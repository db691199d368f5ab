"""How many images are as severe as the worst normal ones: of every set, class and group, by every judge."""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from monai_minority.evaluation.intervals import bootstrap
from monai_minority.evaluation.mover import UNKNOWN_ESTIMATE, Estimate, cluster_correlation, estimated_share, ratio_of
from monai_minority.evaluation.weighted_statistics import weighted_rank_correlation
from monai_minority.keys import Column
from monai_minority.tables.groups import NORMAL, RARE
from monai_minority.tables.images import GeneratedImages, RealImages
from monai_minority.tables.judges import Judge, KnownGroups, known_groups
from monai_minority.tables.rows import ALL, REAL, UNSEEN, generated_rows, labels, mean, share, unguided_rows, with_ends
from monai_minority.tables.settings import MeasureSettings

NORMAL_IMAGES = "normal real images"
EVERY_REAL_IMAGE = "all real images"
PERCENTILES = (99, 95)
ABOVE = "share_above_99"
RATIO = "ratio_to_unguided"
RISES = "rank_correlation_with_class"
MEASURED_BY = ("extractor", "resizing", "normalisation", "weights_sha256", "intervals", "seed", "libraries")
"""Columns of provenance that the table has."""

COLUMNS = [
    *("set", "target_class", Column.SCALE.value, "known", "judge", "n", "n_measured", "clusters"),
    *(*with_ends("mean"), "median"),
    *(column for p in PERCENTILES for column in (f"threshold_{p}", *with_ends(f"share_above_{p}"))),
    *(*with_ends(RATIO), "ratio_to_cohort", *with_ends(RISES)),
    *("threshold_of", *with_ends("judge_auc"), *MEASURED_BY[:4]),
]


class _Part(NamedTuple):
    """A row of the table before it has figures."""

    made: bool
    """Whether it is of generated images."""
    head: dict[str, Any]
    rows: np.ndarray
    clusters: np.ndarray
    classes: np.ndarray | None
    """Target class of each image of a whole set ``[n]``, of real ones their own if a set aims at it; -1 for none."""


def severity_table(
    real: RealImages, generated: GeneratedImages, judges: Sequence[Judge], settings: MeasureSettings
) -> pd.DataFrame:
    """Severity of real and of generated images by each judge.

    The thresholds are the 99th and the 95th percentile of the judge over the normal real images, or over all real
    images where no groups are known. They are taken as given, for all rows are held against the same ones. Images that
    a judge cannot measure are counted out: a share is of ``n_measured`` images.

    Returns:
        Of each judge a row of the training images, of those never trained on, of the normal and the rare ones of both
        (``known``), of the training images of each minority class, of each set and of each target class and scale.
        ``mean`` with its bootstrap interval, ``median``, ``threshold_99`` and ``share_above_99`` with Wilson's
        interval, the same of 95; ``ratio_to_unguided`` of the share above the 99th percentile, with the interval of
        :func:`~monai_minority.evaluation.mover.ratio_of`, which pairs images of a seed; where no unguided image lies
        above, a lower end alone. ``ratio_to_cohort``: of the same share to that of all real images.
        ``rank_correlation_with_class`` of guided images, in the row of their set, with an interval that draws seeds;
        of the training images that of the class they are in, over the classes that guided images aim at, each of which
        counts alike: what images as severe as those of their class would have. ``threshold_of``, what the percentiles
        are of; ``judge_auc``, how well the judge tells rare from normal images never trained on. Intervals know
        subjects and seeds. Without judges there are no rows.

    Raises:
        ValueError: ``normal_group`` is no group of the table.
    """
    groups = known_groups(real, settings)
    usual = np.ones(len(real.table), bool) if groups is None else groups.normal
    threshold_of = EVERY_REAL_IMAGE if groups is None else NORMAL_IMAGES
    parts = [*_real_parts(real, groups, settings, generated), *_generated_parts(generated)]
    plain_set, plain = unguided_rows(generated) or ("", np.zeros(0, np.int64))
    seeds = generated.table[Column.SEED].to_numpy()
    rows: list[dict[str, Any]] = []
    for judge in judges:
        normal = judge.real[usual & ~np.isnan(judge.real)]
        if not len(normal):
            continue
        thresholds = {p: float(np.percentile(normal, p)) for p in PERCENTILES}
        cohort = float(np.mean(judge.real[~np.isnan(judge.real)] > thresholds[99]))
        plain_values, plain_seeds = _measured(judge.generated, plain, seeds[plain])
        plain_above = plain_values > thresholds[99]
        plain_share = estimated_share(plain_above, plain_seeds)
        auc = judge.auc
        said = {
            "judge": judge.name,
            "threshold_of": threshold_of,
            **_ends("judge_auc", UNKNOWN_ESTIMATE if auc is None else Estimate(auc.value, auc.low, auc.high)),
            **judge.space,
        }
        for part in parts:
            values, clusters = _measured(judge.generated if part.made else judge.real, part.rows, part.clusters)
            figures = _figures(values, clusters, thresholds, settings)
            above = values > thresholds[99]
            figures["ratio_to_cohort"] = figures[ABOVE] / cohort if cohort > 0 else np.nan
            if len(plain_above) and part.head["set"] != plain_set:
                together = cluster_correlation(above, clusters, plain_above, plain_seeds) if part.made else 0.0
                figures |= _ends(RATIO, ratio_of(estimated_share(above, clusters), plain_share, together))
            if part.classes is not None:
                found = judge.generated if part.made else judge.real
                figures |= _ends(RISES, _rises(found[part.rows], part.classes, part.clusters, settings, not part.made))
            rows.append({**part.head, **said, **figures})
    return pd.DataFrame(rows, columns=COLUMNS)


def _figures(
    values: np.ndarray, clusters: np.ndarray, thresholds: dict[int, float], settings: MeasureSettings
) -> dict[str, Any]:
    figures: dict[str, Any] = {"n_measured": len(values), "clusters": len(np.unique(clusters))}
    figures |= mean("mean", values, clusters, settings)
    figures["median"] = float(np.median(values)) if len(values) else np.nan
    for p, threshold in thresholds.items():
        figures |= {f"threshold_{p}": threshold, **share(f"share_above_{p}", values > threshold, clusters)}
    return figures


def _rises(
    values: np.ndarray, classes: np.ndarray, clusters: np.ndarray, settings: MeasureSettings, alike: bool
) -> Estimate:
    """Rank correlation of classes and severity. ``alike``: classes count alike, however many images are of them."""
    known = (classes >= 0) & ~np.isnan(values)
    if known.sum() < 3 or len(np.unique(classes[known])) < 2:
        return UNKNOWN_ESTIMATE
    ranks = weighted_rank_correlation(classes[known].astype(float), values[known])
    _, inverse, counts = np.unique(classes[known], return_inverse=True, return_counts=True)
    weights = 1 / counts[inverse] if alike else np.ones(len(inverse))

    def statistic(drawn: np.ndarray) -> np.ndarray:
        return ranks(drawn * weights)

    value = float(statistic(np.ones((1, int(known.sum()))))[0])
    return Estimate(value, *bootstrap(statistic, clusters[known], settings.resamples, seed=settings.seed))


def _real_parts(
    real: RealImages, groups: KnownGroups | None, settings: MeasureSettings, generated: GeneratedImages
) -> Iterator[_Part]:
    apart = np.flatnonzero(settings.is_held_out(real.table))
    classes = None
    if Column.MINORITY_CLASS in real.table:
        guided = generated.table.loc[generated.table[Column.SCALE] > 0, Column.TARGET_CLASS].unique()
        own = real.table[Column.MINORITY_CLASS].iloc[real.training]
        classes = own.where(own.isin(guided[guided >= 0]), -1).to_numpy()
    for name, rows in ((REAL, real.training), (UNSEEN, apart)):
        parts = {"": rows}
        if groups is not None:
            parts |= {NORMAL: rows[groups.normal[rows]], RARE: rows[groups.rare[rows]]}
        for known, chosen in parts.items():
            if len(chosen):
                head = {**labels(name, ALL, float("nan"), len(chosen)), "known": known}
                yield _Part(False, head, chosen, real.subjects[chosen], classes if chosen is real.training else None)
    if classes is not None:
        for target in np.unique(own.dropna()):
            chosen = real.training[own == target]
            head = {**labels(REAL, str(int(target)), float("nan"), len(chosen)), "known": ""}
            yield _Part(False, head, chosen, real.subjects[chosen], None)


def _generated_parts(generated: GeneratedImages) -> Iterator[_Part]:
    targets = generated.table[Column.TARGET_CLASS].to_numpy()
    for made in generated_rows(generated):
        classes = targets[made.rows] if made.labels["target_class"] == ALL else None
        yield _Part(True, {**made.labels, "known": ""}, made.rows, made.clusters, classes)


def _measured(values: np.ndarray, rows: np.ndarray, clusters: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The values of rows that have one, and their clusters."""
    known = ~np.isnan(values[rows])
    return values[rows][known], clusters[known]


def _ends(name: str, estimate: Estimate) -> dict[str, float]:
    return dict(zip(with_ends(name), estimate, strict=True))
