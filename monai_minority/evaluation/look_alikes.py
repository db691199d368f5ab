"""The images most similar to a few, found in one pass over all, however many they are."""

from collections.abc import Iterable

import numpy as np
import torch

from monai_minority.evaluation.memorization import NearestReal


def look_alikes(
    query: np.ndarray | torch.Tensor,
    batches: Iterable[np.ndarray | torch.Tensor],
    k: int = 1,
    *,
    subject: np.ndarray | None = None,
    subjects: np.ndarray | None = None,
) -> NearestReal:
    """The ``k`` nearest vectors of each query, in memory that does not grow with their number.

    For a few queries; :func:`~monai_minority.evaluation.memorization.nearest_real` is for many.

    Args:
        query: ``[Q, D]``.
        batches: of vectors ``[B, D]``, numbered in their order from 0.
        k: how many.
        subject: of each query ``[Q]``; its own images are then passed over. Needs
        subjects: of all vectors ``[N]``.

    Returns:
        Distances and numbers ``[Q, k]``, nearest first, of equally near ones the first; where there are fewer than
        ``k``, infinity and -1.
    """
    few = torch.as_tensor(np.asarray(query), dtype=torch.float32)
    distances = torch.full((len(few), k), torch.inf)
    numbers = torch.full((len(few), k), -1)
    start = 0
    for batch in batches:
        vectors = torch.as_tensor(np.asarray(batch), dtype=torch.float32)
        here = torch.arange(start, start + len(vectors))
        # Differences, not a product of matrices, which rounds the distances of near ones away.
        found = torch.cdist(few, vectors, compute_mode="donot_use_mm_for_euclid_dist")
        if subject is not None:
            assert subjects is not None
            own = subjects[here.numpy()] == subject[:, None]
            found[torch.from_numpy(own)] = torch.inf
        pool = torch.cat([distances, found], dim=1)
        order = pool.argsort(dim=1, stable=True)[:, :k]
        distances = pool.gather(1, order)
        numbers = torch.cat([numbers, here.expand(len(few), -1)], dim=1).gather(1, order)
        start += len(vectors)
    numbers[distances.isinf()] = -1
    return NearestReal(distances.double().numpy(), numbers.numpy())
