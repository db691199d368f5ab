"""AvgkNN of real images among real ones of other people."""

import numpy as np

from monai_minority.evaluation.density import NeighbourIndex


def neighbours_to_keep(k: int, subjects: np.ndarray) -> int:
    """How many neighbours an index must keep of each image so that ``k`` of them are of other subjects.

    Args:
        k: neighbours wanted.
        subjects: subject of each image of the index ``[N]``.

    Returns:
        ``k`` and as many as the largest subject has images beside one of them, at most N - 1.

    Raises:
        ValueError: fewer than ``k`` images are of other subjects than the largest one.

    >>> neighbours_to_keep(5, np.repeat(np.arange(10), 3))
    7
    """
    largest = int(np.unique(np.asarray(subjects), return_counts=True)[1].max())
    others = len(subjects) - largest
    if others < k:
        raise ValueError(
            f"training must hold {k} images of other subjects beside each, got {others} beside the largest subject; "
            "give more subjects or choose a smaller number of neighbours"
        )
    return k + largest - 1


def average_knn_of_others(index: NeighbourIndex, subjects: np.ndarray, k: int = 5) -> np.ndarray:
    """Mean Euclidean distance of each image of an index to the ``k`` nearest images of other subjects.

    A slice lies nearer to the next slice of its own subject than to anyone else's, so that AvgkNN without the image
    alone (:func:`~monai_minority.evaluation.density.average_knn`) says of a training image that it is common, and of
    the same image of a person never seen, or of a generated one, that it is rare. Where each image is its own subject
    both are the same numbers.

    Args:
        index: the images; it keeps :func:`neighbours_to_keep` neighbours.
        subjects: subject of each image ``[N]``.
        k: number of neighbours.

    Returns:
        float64 ``[N]``, in the unit of the features; higher is rarer.

    Raises:
        ValueError: the index keeps too few neighbours, or too few images are of other subjects.
    """
    codes = np.unique(np.asarray(subjects), return_inverse=True)[1]
    kept = neighbours_to_keep(k, codes)
    if max(index.k, index.ball) < kept:
        raise ValueError(f"index must keep {kept} neighbours, got {index.k}; build it with k={kept}")
    found = index.neighbours(None, kept)
    distances = found.distances
    if kept == k:
        return distances.mean(axis=1)
    others = codes[found.indices] != codes[:, None]
    nearest = np.argsort(~others, axis=1, kind="stable")[:, :k]
    return np.take_along_axis(distances, nearest, axis=1).mean(axis=1)
