"""Statistics of many resamples at once.

A resample is a row of integer weights, which count how often each image was drawn. The ranks of weighted images equal
those of the resample with repeated images, so one sort serves all resamples.
"""

import numpy as np

from monai_minority.evaluation.intervals import Statistic


def weighted_mean(values: np.ndarray) -> Statistic:
    """Mean of ``values`` ``[N]``.

    >>> weighted_mean(np.array([1.0, 4.0]))(np.array([[1.0, 1.0], [2.0, 1.0]]))
    array([2.5, 2. ])
    """
    return lambda weights: _ratio(weights @ values, weights.sum(axis=1))


def weighted_mean_recall(groups: np.ndarray, found: np.ndarray) -> Statistic:
    """Mean recall over the ``groups`` ``[N]`` in a resample, for predicted groups ``found`` ``[N]``.

    >>> recall = weighted_mean_recall(np.array(["a", "a", "b"]), np.array(["a", "b", "b"]))
    >>> recall(np.ones((1, 3)))
    array([0.75])
    """
    members = np.stack([groups == name for name in np.unique(groups)], axis=1).astype(float)
    correct = members * (groups == found)[:, None]
    return lambda weights: np.nanmean(_ratio(weights @ correct, weights @ members), axis=1)


def weighted_auc(values: np.ndarray, rare: np.ndarray, strata: np.ndarray | None = None) -> Statistic:
    """Area under the ROC curve of ``values`` ``[N]`` for ``rare`` ``[N]`` (bool); equal values count half.

    With ``strata`` ``[N]``, only pairs of a rare and another image of the same stratum count, all pairs equally.

    >>> weighted_auc(np.array([1.0, 2.0, 3.0]), np.array([False, True, False]))(np.array([[1.0, 1.0, 1.0]]))
    array([0.5])
    >>> values, rare = np.array([1.0, 2, 3, 7, 8, 9]), np.array([False, True, False, True, False, True])
    >>> weighted_auc(values, rare, strata=np.array([0, 0, 0, 1, 1, 1]))(np.ones((1, 6)))  # 0.67 without strata
    array([0.5])
    """
    strata = np.zeros(len(values)) if strata is None else strata
    order = np.lexsort((values, strata))
    ends = np.r_[True, np.diff(strata[order]) > 0]
    starts = np.flatnonzero(ends | np.r_[True, np.diff(values[order]) > 0])
    first = np.flatnonzero(ends[starts])
    lengths = np.diff(np.r_[first, len(starts)])
    positive = rare[order].astype(float)

    def statistic(weights: np.ndarray) -> np.ndarray:
        weights = weights[:, order]
        rare_here = np.add.reduceat(weights * positive, starts, axis=1)
        usual_here = np.add.reduceat(weights * (1 - positive), starts, axis=1)
        rare_in, usual_in = (np.add.reduceat(here, first, axis=1) for here in (rare_here, usual_here))
        earlier = (usual_in.cumsum(axis=1) - usual_in).repeat(lengths, axis=1)
        below = usual_here.cumsum(axis=1) - earlier - usual_here / 2
        return _ratio((rare_here * below).sum(axis=1), (rare_in * usual_in).sum(axis=1))

    return statistic


def weighted_rank_correlation(a: np.ndarray, b: np.ndarray) -> Statistic:
    """Spearman's rank correlation between ``a`` and ``b`` ``[N]``; equal values share their mean rank.

    >>> weighted_rank_correlation(np.array([1.0, 2.0, 3.0]), np.array([1.0, 3.0, 2.0]))(np.ones((1, 3)))
    array([0.5])
    """
    sorts = [_sorted(a), _sorted(b)]

    def statistic(weights: np.ndarray) -> np.ndarray:
        x, y = (_centred_ranks(weights, *sort) for sort in sorts)
        product = (weights * x * y).sum(axis=1)
        return _ratio(product, np.sqrt((weights * x * x).sum(axis=1) * (weights * y * y).sum(axis=1)))

    return statistic


def weighted_top_share(values: np.ndarray, rare: np.ndarray, share: float = 0.1) -> Statistic:
    """Share of ``rare`` images ``[N]`` (bool) among the highest ``share`` of ``values`` ``[N]``, which is at least one.

    Equal values are in the order of their rows.

    >>> weighted_top_share(np.array([1.0, 4.0, 3.0, 2.0]), np.array([False, True, False, False]), 0.5)(np.ones((1, 4)))
    array([0.5])
    """
    order = np.argsort(-values, kind="stable")
    positive = rare[order].astype(float)

    def statistic(weights: np.ndarray) -> np.ndarray:
        weights = weights[:, order]
        places = np.maximum(1, np.floor(weights.sum(axis=1, keepdims=True) * share))
        before = weights.cumsum(axis=1) - weights
        taken = np.clip(places - before, 0, weights)
        return (taken * positive).sum(axis=1) / places[:, 0]

    return statistic


def weighted_balanced_accuracy(values: np.ndarray, rare: np.ndarray, threshold: float) -> Statistic:
    """Mean of sensitivity and specificity for ``rare`` ``[N]`` (bool), by ``values`` ``[N]`` that reach a threshold.

    >>> weighted_balanced_accuracy(np.array([0.9, 0.4, 0.6]), np.array([True, True, False]), 0.5)(np.ones((1, 3)))
    array([0.25])
    """
    called = values >= threshold
    correct_rare, correct_usual = (rare & called).astype(float), (~rare & ~called).astype(float)

    def statistic(weights: np.ndarray) -> np.ndarray:
        sensitivity = _ratio(weights @ correct_rare, weights @ rare.astype(float))
        return (sensitivity + _ratio(weights @ correct_usual, weights @ (~rare).astype(float))) / 2

    return statistic


def weighted_sensitivity(values: np.ndarray, rare: np.ndarray, specificity: float) -> Statistic:
    """Sensitivity for ``rare`` ``[N]`` (bool) at the lowest threshold of ``values`` ``[N]`` with this ``specificity``.

    Equal values are on the same side of the threshold.

    >>> values, rare = np.array([0.9, 0.4, 0.6, 0.1]), np.array([True, True, False, False])
    >>> weighted_sensitivity(values, rare, specificity=1.0)(np.ones((1, 4)))
    array([0.5])
    """
    order, starts = _sorted(-values)
    positive = rare[order].astype(float)

    def statistic(weights: np.ndarray) -> np.ndarray:
        weights = weights[:, order]
        found = np.add.reduceat(weights * positive, starts, axis=1).cumsum(axis=1)
        alarms = np.add.reduceat(weights * (1 - positive), starts, axis=1).cumsum(axis=1)
        # Rounding must not exclude a threshold with exactly this specificity.
        allowed = alarms <= (1 - specificity) * alarms[:, -1:] * (1 + 1e-12)
        return _ratio(np.where(allowed, found, 0.0).max(axis=1), found[:, -1])

    return statistic


def _sorted(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The ascending order of values, and the starts of the runs of equal values in it."""
    order = np.argsort(values, kind="stable")
    return order, np.flatnonzero(np.r_[True, np.diff(values[order]) > 0])


def _centred_ranks(weights: np.ndarray, order: np.ndarray, starts: np.ndarray) -> np.ndarray:
    here = np.add.reduceat(weights[:, order], starts, axis=1)
    ranks = here.cumsum(axis=1) - here / 2
    centred = ranks - (ranks * here).sum(axis=1, keepdims=True) / here.sum(axis=1, keepdims=True)
    unsorted = np.empty_like(weights)
    unsorted[:, order] = centred.repeat(np.diff(np.r_[starts, len(order)]), axis=1)
    return unsorted


def _ratio(numerator: np.ndarray, denominator: np.ndarray) -> np.ndarray:
    return np.divide(numerator, denominator, out=np.full_like(numerator, np.nan), where=denominator > 0)
