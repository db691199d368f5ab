"""Choose images after sampling, by a judge's log probabilities."""

import numpy as np


def most_likely(log_probabilities: np.ndarray, count: int, allowed: np.ndarray | None = None) -> np.ndarray:
    """The rows of the ``count`` images that a judge takes most surely for what is wanted, in ascending order.

    Keeping the best of ``k`` times as many samples approaches sampling from ``p(x | wanted)`` without any guidance: it
    changes no image, and its cost is ``k`` times that of plain sampling. Every method that steers the sampler should
    beat it at equal cost. A tie goes to the lower row.

    Args:
        log_probabilities: of each image ``[N]``, finite.
        count: number of images to keep, at least 1.
        allowed: which images may be kept, bool ``[N]``; ``None`` allows all.

    Returns:
        int64 ``[count]``. The order tells nothing of the probabilities, so that any part of it is a fair part.

    Raises:
        ValueError: a value is not finite, ``count`` is below 1, or fewer images are allowed.

    Example:
        >>> import numpy as np
        >>> from monai_minority.samples import most_likely
        >>> most_likely(np.log([0.1, 0.9, 0.5, 0.8]), count=2, allowed=np.array([True, False, True, True]))
        array([2, 3])
    """
    values = np.asarray(log_probabilities, np.float64)
    free = np.ones(len(values), bool) if allowed is None else np.asarray(allowed, bool)
    if not np.isfinite(values).all():
        rows = np.flatnonzero(~np.isfinite(values))[:5].tolist()
        raise ValueError(f"log_probabilities must be finite, got NaN or infinity in the rows {rows}; look at the judge")
    if not 1 <= count <= free.sum():
        raise ValueError(
            f"count must be from 1 to the number of allowed images, {free.sum()} of {len(free)}, got {count}; sample "
            "more candidates"
        )
    best_first = np.argsort(np.where(free, -values, np.inf), kind="stable")
    return np.sort(best_first[:count])
