"""Confidence intervals by resampling images, or whole subjects."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np


class Interval(NamedTuple):
    """Percentile interval of a statistic."""

    low: float
    high: float


def bootstrap(
    statistic: Callable[..., float],
    *samples: np.ndarray,
    groups: Sequence[np.ndarray | None] | None = None,
    resamples: int = 1000,
    level: float = 0.95,
    seed: int = 0,
    estimate: float | None = None,
) -> Interval:
    """Percentile bootstrap (Efron, 1979) of a statistic of one or more independent samples.

    Slices of one subject are not independent; give ``groups`` and whole subjects are drawn, which is what a
    claim about patients needs. A statistic of vectors that repeat (Fréchet distance, neighbours) is biased
    under resampling: for those, resample the per-image values, or give the ``estimate``, which takes this bias out.

    Args:
        statistic: takes the resampled arrays in order and gives a number.
        samples: arrays resampled along their first axis, each on its own.
        groups: for each sample the subject of each row ``[N]``, or ``None`` to draw single rows.
        resamples: number of resamples.
        level: share of resamples inside the interval, in (0, 1).
        seed: of the draw.
        estimate: the statistic of the samples themselves; given, the resamples' values are shifted to have it as their
            mean (Efron and Tibshirani, 1993, chapter 10: their mean over it estimates the bias).

    Returns:
        ``(low, high)``; resamples whose statistic is NaN are left out, and both are NaN where all are.

    Raises:
        ValueError: no samples or an empty one, ``level`` or ``resamples`` out of range, or groups that do not
            fit.
    """
    if not samples or any(len(sample) == 0 for sample in samples):
        raise ValueError(f"samples must hold rows to draw from, got lengths {[len(sample) for sample in samples]}")
    if not 0 < level < 1 or resamples < 1:
        raise ValueError(f"level must be in (0, 1) and resamples positive, got {level} and {resamples}")
    rng = np.random.default_rng(seed)
    labels = [None] * len(samples) if groups is None else list(groups)
    if len(labels) != len(samples):
        raise ValueError(f"groups must have one entry a sample ({len(samples)}), got {len(labels)}")
    members = [_members(len(sample), label) for sample, label in zip(samples, labels, strict=True)]
    values = np.array(
        [
            statistic(*(sample[_draw(rng, rows)] for sample, rows in zip(samples, members, strict=True)))
            for _ in range(resamples)
        ],
        dtype=np.float64,
    )
    return percentile_interval(values, level, estimate)


def percentile_interval(values: np.ndarray, level: float = 0.95, estimate: float | None = None) -> Interval:
    """The interval that resamples give, as :func:`bootstrap` says, from their values ``[R]``."""
    values = values[~np.isnan(values)]
    if not values.size:
        return Interval(float("nan"), float("nan"))
    if estimate is not None:
        values = values + (estimate - values.mean())
    low, high = np.quantile(values, [(1 - level) / 2, (1 + level) / 2])
    return Interval(float(low), float(high))


def resample_counts(lengths: Sequence[int], resamples: int, seed: int = 0) -> list[np.ndarray]:
    """How often each row is in each resample that :func:`bootstrap` draws of samples of these lengths.

    Returns:
        int64 ``[resamples, N]`` for each length.
    """
    rng = np.random.default_rng(seed)
    counts = [np.empty((resamples, length), np.int64) for length in lengths]
    for resample in range(resamples):
        for length, count in zip(lengths, counts, strict=True):
            count[resample] = np.bincount(_draw(rng, length), minlength=length)
    return counts


def _members(length: int, groups: np.ndarray | None) -> int | list[np.ndarray]:
    if groups is None:
        return length
    if len(groups) != length:
        raise ValueError(f"groups must name a subject for each of {length} rows, got {len(groups)}")
    _, inverse = np.unique(np.asarray(groups), return_inverse=True)
    return np.split(np.argsort(inverse, kind="stable"), np.cumsum(np.bincount(inverse))[:-1])


def _draw(rng: np.random.Generator, members: int | list[np.ndarray]) -> np.ndarray:
    if isinstance(members, int):
        return rng.integers(members, size=members)
    return np.concatenate([members[i] for i in rng.integers(len(members), size=len(members))])
