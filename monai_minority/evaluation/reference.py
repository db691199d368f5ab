"""The most unique real images, which generated minority images are compared with."""

import numpy as np
import torch

Measure = np.ndarray | torch.Tensor


def most_unique(measure: Measure, n: int) -> np.ndarray:
    """Indices of the ``n`` highest values of a measure, highest first.

    Choose them on images that training never saw where the data allows it, and say so where it does not.

    Args:
        measure: one value an image ``[N]``, higher is rarer: AvgkNN, LOF, Rarity or the minority score. NaN
            (Rarity outside every ball) is never chosen.
        n: how many.

    Returns:
        int64 ``[n]``; equal values in the order of their indices.

    Raises:
        ValueError: the shape is not ``[N]``, or fewer than ``n`` values are no NaN.
    """
    values = np.asarray(measure.detach().cpu() if isinstance(measure, torch.Tensor) else measure)
    if values.ndim != 1:
        raise ValueError(f"measure must be one value an image, [N], got shape {values.shape}")
    valid = int((~np.isnan(values)).sum())
    if not 1 <= n <= valid:
        raise ValueError(f"n must be in [1, {valid}] (the images with a value), got {n}")
    # NaN sorts last, and negation keeps the order of equal values.
    return np.argsort(-values.astype(np.float64), kind="stable")[:n]
