"""AvgkNN of real images among the images of other subjects."""

import numpy as np

from monai_minority.evaluation.density import NeighbourIndex


def neighbours_to_keep(k: int, subjects: np.ndarray) -> int:
    """Number of neighbours that an index must keep so that ``k`` of them belong to other subjects.

    Args:
        k: neighbours wanted.
        subjects: subject of each image of the index ``[N]``.

    Returns:
        ``k`` plus the number of images of the largest subject minus 1, at most N - 1.

    Raises:
        ValueError: fewer than ``k`` images belong to subjects other than the largest one.

    >>> neighbours_to_keep(5, np.repeat(np.arange(10), 3))
    7
    """
    largest = int(np.unique(np.asarray(subjects), return_counts=True)[1].max())
    others = len(subjects) - largest
    if others < k:
        raise ValueError(
            f"training must have {k} images of other subjects for each image, got {others} for the largest subject; "
            "give more subjects or choose a smaller number of neighbours"
        )
    return k + largest - 1


def average_knn_of_others(index: NeighbourIndex, subjects: np.ndarray, k: int = 5) -> np.ndarray:
    """Mean Euclidean distance from each image of an index to the ``k`` nearest images of other subjects.

    A slice is nearer to the next slice of its own subject than to the slices of other subjects. If only the image
    itself is left out (:func:`~monai_minority.evaluation.density.average_knn`), a training image therefore looks
    common, and the same image looks rare if it is held out or generated. Both measures agree if each subject has one
    image.

    Args:
        index: index of the images, which keeps :func:`neighbours_to_keep` neighbours.
        subjects: subject of each image ``[N]``.
        k: number of neighbours.

    Returns:
        float64 ``[N]``, in the unit of the features; higher is rarer.

    Raises:
        ValueError: the index keeps too few neighbours, or too few images belong to other subjects.

    >>> index = NeighbourIndex(np.array([[0.0], [0.1], [5.0], [9.0]]), k=2, ball=0)
    >>> average_knn_of_others(index, np.array(["a", "a", "b", "c"]), k=1).tolist()
    [5.0, 4.9, 4.0, 4.0]
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
