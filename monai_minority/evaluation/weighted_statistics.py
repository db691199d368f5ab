"""Statistics of resamples, all resamples at once.

A resample is how often each image was drawn: a row of whole-number weights. Ranks of the weighted images are those of
the resample written out, so a sort is done once, and not once a resample.
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
    """Mean over the ``groups`` ``[N]`` that a resample has of the share that was ``found`` ``[N]`` to be of them."""
    members = np.stack([groups == name for name in np.unique(groups)], axis=1).astype(float)
    correct = members * (groups == found)[:, None]
    return lambda weights: np.nanmean(_ratio(weights @ correct, weights @ members), axis=1)


def weighted_auc(values: np.ndarray, rare: np.ndarray) -> Statistic:
    """Area under the ROC curve of ``values`` ``[N]`` for ``rare`` ``[N]`` (bool); equal values count half."""
    order, starts = _sorted(values)
    positive = rare[order].astype(float)

    def statistic(weights: np.ndarray) -> np.ndarray:
        weights = weights[:, order]
        rare_here = np.add.reduceat(weights * positive, starts, axis=1)
        usual_here = np.add.reduceat(weights * (1 - positive), starts, axis=1)
        below = usual_here.cumsum(axis=1) - usual_here / 2
        pairs = rare_here.sum(axis=1) * usual_here.sum(axis=1)
        return _ratio((rare_here * below).sum(axis=1), pairs)

    return statistic


def weighted_rank_correlation(a: np.ndarray, b: np.ndarray) -> Statistic:
    """Spearman's rank correlation of ``a`` and ``b`` ``[N]``, equal values sharing their mean rank."""
    sorts = [_sorted(a), _sorted(b)]

    def statistic(weights: np.ndarray) -> np.ndarray:
        x, y = (_centred_ranks(weights, *sort) for sort in sorts)
        product = (weights * x * y).sum(axis=1)
        return _ratio(product, np.sqrt((weights * x * x).sum(axis=1) * (weights * y * y).sum(axis=1)))

    return statistic


def weighted_top_share(values: np.ndarray, rare: np.ndarray, share: float = 0.1) -> Statistic:
    """Share of ``rare`` ``[N]`` (bool) among the highest ``share`` of ``values`` ``[N]``, at least one
    image; equal values in the order of their rows."""
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
    """Mean of two shares: of ``rare`` ``[N]`` (bool) at or above a threshold of ``values`` ``[N]``, of others below."""
    called = values >= threshold
    correct_rare, correct_usual = (rare & called).astype(float), (~rare & ~called).astype(float)

    def statistic(weights: np.ndarray) -> np.ndarray:
        sensitivity = _ratio(weights @ correct_rare, weights @ rare.astype(float))
        return (sensitivity + _ratio(weights @ correct_usual, weights @ (~rare).astype(float))) / 2

    return statistic


def weighted_sensitivity(values: np.ndarray, rare: np.ndarray, specificity: float) -> Statistic:
    """Share of ``rare`` ``[N]`` (bool) above the lowest threshold of ``values`` ``[N]`` that leaves at least
    ``specificity`` of the others below it; equal values are above it or below it together."""
    order, starts = _sorted(-values)
    positive = rare[order].astype(float)

    def statistic(weights: np.ndarray) -> np.ndarray:
        weights = weights[:, order]
        found = np.add.reduceat(weights * positive, starts, axis=1).cumsum(axis=1)
        alarms = np.add.reduceat(weights * (1 - positive), starts, axis=1).cumsum(axis=1)
        # rounding must not lose a threshold whose specificity is exact
        allowed = alarms <= (1 - specificity) * alarms[:, -1:] * (1 + 1e-12)
        return _ratio(np.where(allowed, found, 0.0).max(axis=1), found[:, -1])

    return statistic


def _sorted(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The ascending order of values and where each run of equal ones starts in it."""
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
