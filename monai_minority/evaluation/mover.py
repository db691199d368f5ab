"""Ratio and difference of two estimates from the interval of each, by the method of variance estimates recovery."""

import math
from typing import NamedTuple

import numpy as np

from monai_minority.evaluation.intervals import wilson


class Estimate(NamedTuple):
    """A number and the two ends of its interval; NaN where it has none."""

    value: float
    low: float
    high: float


UNKNOWN_ESTIMATE = Estimate(float("nan"), float("nan"), float("nan"))


def estimated_share(hits: np.ndarray, clusters: np.ndarray | None = None) -> Estimate:
    """The share of ``hits`` ``[N]`` with its interval; see :func:`~monai_minority.evaluation.intervals.wilson`.

    >>> [round(value, 3) for value in estimated_share(np.array([True, False, False, False]))]
    [0.25, 0.046, 0.699]
    """
    return Estimate(float(np.mean(hits)), *wilson(hits, clusters)) if len(hits) else UNKNOWN_ESTIMATE


def ratio_of(first: Estimate, second: Estimate, correlation: float = 0.0) -> Estimate:
    """``first / second`` with its interval (Donner and Zou, 2012, "MOVER-R").

    The limits are the two ratios ``R`` at which the interval of ``first - R * second`` reaches 0. That interval is put
    together from the distances of each estimate to its own limits. With Wilson's limits of shares it keeps its coverage
    at small counts, which the delta method on the logarithm does not, and needs no correction where a count is 0. A
    bootstrap cannot do that: resamples of a sample without a hit have no hit.

    Args:
        first: at least 0, with its interval.
        second: at least 0, with its interval.
        correlation: of the two estimates, such as :func:`cluster_correlation`; 0 where they are independent.

    Returns:
        The ratio. Where ``second`` is 0 there is none, but a lower end: the value and the upper end are NaN. All is NaN
        where an estimate is.

    Raises:
        ValueError: an estimate is below 0, or the correlation is not in [-1, 1].

    >>> half, few, none = (estimated_share(np.arange(100) < count) for count in (50, 2, 0))
    >>> [round(value, 1) for value in ratio_of(half, few)], [round(value, 1) for value in ratio_of(half, none)]
    ([25.0, 7.0, 91.5], [nan, 13.3, nan])
    """
    (p, p_low, p_high), (q, q_low, q_high) = first, second
    if any(math.isnan(end) for end in (*first, *second)):
        return UNKNOWN_ESTIMATE
    if min(p, q) < 0 or not -1 <= correlation <= 1:
        raise ValueError(
            f"first and second must be at least 0 and correlation in [-1, 1], got {p:g}, {q:g} and {correlation:g}; "
            "compare what can be negative by its difference"
        )
    # a R^2 - 2 b R + c = 0, solved without a difference of nearly equal numbers
    a, c = q**2 - (q_high - q) ** 2, p**2 - (p - p_low) ** 2
    b = p * q - correlation * (p - p_low) * (q_high - q)
    below = b + math.sqrt(max(0.0, b * b - a * c))
    low = c / below if below > 0 and c > 0 else 0.0
    a, c = q**2 - (q - q_low) ** 2, p**2 - (p_high - p) ** 2
    b = p * q - correlation * (p_high - p) * (q - q_low)
    high = (b + math.sqrt(max(0.0, b * b - a * c))) / a if a > 0 else float("nan")
    return Estimate(p / q if q > 0 else float("nan"), low, high)


def difference_of(first: Estimate, second: Estimate, correlation: float = 0.0) -> Estimate:
    """``first - second`` with its interval (Newcombe, 1998, of shares; Zou and Donner, 2008).

    Args:
        first: with its interval.
        second: with its interval.
        correlation: of the two estimates; 0 where they are independent, or where it is not known and positive: the
            interval is then too wide rather than too narrow.

    >>> [round(value, 3) for value in difference_of(Estimate(0.5, 0.4, 0.6), Estimate(0.1, 0.05, 0.18))]
    [0.4, 0.272, 0.512]
    """
    (p, p_low, p_high), (q, q_low, q_high) = first, second
    down = _length(p - p_low, q_high - q, correlation)
    return Estimate(p - q, p - q - down, p - q + _length(p_high - p, q - q_low, correlation))


def cluster_correlation(
    first: np.ndarray, first_clusters: np.ndarray, second: np.ndarray, second_clusters: np.ndarray
) -> float:
    """Correlation of two shares whose images have clusters in common, such as guided and unguided images of one seed.

    It is the covariance of the clusters' residual sums over the root of the product of their variances; a cluster that
    one sample lacks adds to that sample's variance alone. Without common clusters it is 0.

    Args:
        first: hits ``[N]``, bool.
        first_clusters: cluster of each ``[N]``.
        second: hits ``[M]``, bool.
        second_clusters: cluster of each ``[M]``.

    Returns:
        In [-1, 1]; 0 where a share is 0 or 1, which shows no covariance.

    >>> hits = np.array([True, False, False, True])
    >>> cluster_correlation(hits, np.arange(4), hits, np.arange(4))
    1.0
    >>> cluster_correlation(hits, np.arange(4), hits, np.arange(4, 8))
    0.0
    """
    if not len(first) or not len(second):
        return 0.0
    codes = np.unique(np.concatenate([first_clusters, second_clusters]), return_inverse=True)[1]
    count = int(codes.max()) + 1
    sums = [
        np.bincount(code, hits.astype(float) - hits.mean(), minlength=count)
        for code, hits in ((codes[: len(first)], first), (codes[len(first) :], second))
    ]
    spread = math.sqrt((sums[0] ** 2).sum() * (sums[1] ** 2).sum())
    return float(np.clip(sums[0] @ sums[1] / spread, -1, 1)) if spread > 0 else 0.0


def _length(a: float, b: float, correlation: float) -> float:
    return math.sqrt(max(0.0, a * a + b * b - 2 * correlation * a * b))
