"""Agreement of a score with densities, measured severity and known groups."""

from dataclasses import replace

import numpy as np
from scipy.stats import spearmanr
from sklearn.metrics import roc_auc_score

from monai_minority.evaluation.figure import Figure
from monai_minority.evaluation.intervals import FEWEST, UNKNOWN_INTERVAL, Statistic, bootstrap, fewest_clusters
from monai_minority.evaluation.weighted_statistics import weighted_auc, weighted_rank_correlation


def rank_correlation(
    scores: np.ndarray,
    measure: np.ndarray,
    *,
    name: str = "rank correlation",
    subjects: np.ndarray | None = None,
    resamples: int = 1000,
    seed: int = 0,
) -> Figure:
    """Spearman's rank correlation between two values of each image, with a bootstrap interval.

    Args:
        scores: ``[N]``, higher is rarer.
        measure: ``[N]``, such as a density or a severity. Images with a NaN in either are left out and counted.
        name: name of the figure.
        subjects: subject of each image; the interval then resamples subjects instead of images.
        resamples: number of bootstrap resamples; 0 leaves the 95 % interval out.
        seed: seed of the bootstrap.

    Returns:
        The correlation in [-1, 1]; NaN if a value is constant.

    Raises:
        ValueError: the shapes differ, or fewer than three images have both values.

    Example:
        >>> import numpy as np
        >>> from monai_minority.evaluation.agreement import rank_correlation
        >>> figure = rank_correlation(np.array([1.0, 2, 30, 40]), np.array([2.0, 1, 9, 3]), resamples=0)
        >>> round(figure.value, 2), figure.context["N"]
        (0.6, 4)
    """

    def statistic(pair: np.ndarray) -> float:
        if (pair == pair[0]).all(axis=0).any():
            return float("nan")
        return float(spearmanr(pair[:, 0], pair[:, 1]).statistic)

    return _agreement(statistic, weighted_rank_correlation, scores, measure, name, subjects, resamples, seed)


def group_auc(
    scores: np.ndarray,
    positive: np.ndarray,
    *,
    name: str = "AUC",
    subjects: np.ndarray | None = None,
    resamples: int = 1000,
    seed: int = 0,
) -> Figure:
    """Area under the ROC curve, with a bootstrap interval.

    It is the probability that an image of the rare group has a higher score than another image.

    Args:
        scores: ``[N]``, higher is rarer. Images with a NaN are left out and counted.
        positive: whether each image belongs to the rare group ``[N]``, bool.
        name: name of the figure.
        subjects: subject of each image; the interval then resamples subjects instead of images.
        resamples: number of bootstrap resamples; 0 leaves the 95 % interval out.
        seed: seed of the bootstrap.

    Returns:
        The area in [0, 1]; 0.5 is chance. NaN if a group is empty. The interval is NaN if a group has fewer than
        :data:`~monai_minority.evaluation.intervals.FEWEST` subjects.

    Raises:
        ValueError: the shapes differ, or fewer than three images have a score.

    Example:
        >>> import numpy as np
        >>> from monai_minority.evaluation.agreement import group_auc
        >>> figure = group_auc(np.array([1.0, 2, 3, 4]), np.array([False, True, False, True]))
        >>> figure.value, figure.low, figure.context["interval"]
        (0.75, nan, 'none: 2 images in the smaller group, at least 5 are needed')
    """

    def statistic(pair: np.ndarray) -> float:
        if (pair[:, 1] == pair[0, 1]).all():
            return float("nan")
        return float(roc_auc_score(pair[:, 1] > 0, pair[:, 0]))

    def weighted(values: np.ndarray, rare: np.ndarray) -> Statistic:
        return weighted_auc(values, rare > 0)

    figure = _agreement(statistic, weighted, scores, positive, name, subjects, resamples, seed, True)
    of_rare_group = int(np.sum(np.asarray(positive, bool) & ~np.isnan(np.asarray(scores, float))))
    return replace(figure, context={**figure.context, "N positive": of_rare_group})


def strata_of(values: np.ndarray, width: float = 0.2) -> np.ndarray:
    """Intervals of equal width, within which images count as similar in a value that could explain their score.

    A fifth of a standard deviation is the usual limit for matched pairs (Austin, 2011). Where the log odds of the rare
    group rise by s per standard deviation, an AUC within strata of that width
    (:func:`~monai_minority.evaluation.weighted_statistics.weighted_auc`) is at most s / 60 from that of equal values.

    Args:
        values: ``[N]``, such as the height of a slice.
        width: of an interval, in standard deviations of the values.

    Returns:
        The number of each image's interval ``[N]``, float64; NaN where the value is NaN. All the same if the values
        are.

    Raises:
        ValueError: ``width`` is not positive.

    Example:
        >>> import numpy as np
        >>> from monai_minority.evaluation.agreement import strata_of
        >>> strata_of(np.array([0.0, 0.1, 1.0, np.nan]))
        array([ 0.,  1., 11., nan])
    """
    if not width > 0:
        raise ValueError(f"width must be positive, in standard deviations, got {width}; 0.2 is usual")
    values = np.asarray(values, float)
    known = values[~np.isnan(values)]
    spread = known.std() if len(known) else 0.0
    return np.floor((values - known.min()) / (width * spread)) if spread > 0 else values * 0


def _agreement(statistic, weighted, scores, other, name, subjects, resamples, seed, compares_groups=False) -> Figure:
    a, b = np.asarray(scores, float), np.asarray(other, float)
    if a.ndim != 1 or a.shape != b.shape:
        raise ValueError(f"both values must be [N], one for each image, got shapes {a.shape} and {b.shape}")
    pair = np.stack([a, b], axis=1)
    valid = ~np.isnan(pair).any(axis=1)
    if valid.sum() < 3:
        raise ValueError(f"{name} needs at least 3 images with both values, got {int(valid.sum())}")
    clusters = np.arange(len(pair))[valid] if subjects is None else np.asarray(subjects)[valid]
    context: dict[str, object] = {"N": int(valid.sum()), "N without a value": int((~valid).sum())}
    interval = UNKNOWN_INTERVAL
    unit = "images" if subjects is None else "subjects"
    groups = pair[valid, 1] if compares_groups else None
    fewest = None if groups is None else fewest_clusters(clusters, groups)
    if resamples and fewest is not None and fewest < FEWEST:
        context["interval"] = f"none: {fewest} {unit} in the smaller group, at least {FEWEST} are needed"
    elif resamples:
        interval = bootstrap(weighted(*pair[valid].T), clusters, resamples, seed=seed)
        how = f"95%, {resamples} bootstrap resamples of {unit}"
        context |= {"interval": "none: all resamples agree" if np.isnan(interval.low) else how, "seed": seed}
    return Figure(name, statistic(pair[valid]), *interval, context)
