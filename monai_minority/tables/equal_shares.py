"""Some images of many that stand for all: every class and every subject has its share."""

import numpy as np
import pandas as pd


def equal_shares(count: int, classes: np.ndarray, clusters: np.ndarray, seed: int = 0) -> np.ndarray:
    """Rows drawn at random, with classes in equal shares and clusters as spread as the number allows.

    Sets are written class by class and subject by subject, so that their first images are of one class or of a few
    subjects. Classes take turns, and the one whose turn it is gives an image of the cluster that has been drawn from
    the least so far. A class that has no more images drops out, and the others share what is left.

    Args:
        count: how many.
        classes: class of each image ``[N]``.
        clusters: subject of each real image, or seed of each generated one, ``[N]``.
        seed: of the draw.

    Returns:
        int64 ``[count]``, ascending.

    Raises:
        ValueError: ``count`` is not in [1, N].

    >>> equal_shares(4, np.array([0, 0, 0, 0, 1, 1, 1, 1]), np.array([0, 1, 2, 3, 0, 1, 2, 3])).size
    4
    """
    if not 1 <= count <= len(classes):
        raise ValueError(f"count must be in [1, {len(classes)}] (the images), got {count}")
    rng = np.random.default_rng(seed)
    owners = rng.permutation(pd.factorize(np.asarray(clusters))[1].size)[pd.factorize(np.asarray(clusters))[0]]
    order = rng.permutation(len(owners))
    waiting = [order[classes[order] == name] for name in rng.permutation(np.unique(classes))]
    drawn = np.zeros(owners.max() + 1, np.int64)
    chosen: list[int] = []
    while len(chosen) < count:
        for place, rows in enumerate(waiting):
            if len(rows) and len(chosen) < count:
                next_one = int(np.argmin(drawn[owners[rows]]))
                chosen.append(int(rows[next_one]))
                drawn[owners[rows[next_one]]] += 1
                waiting[place] = np.delete(rows, next_one)
    return np.sort(np.array(chosen, dtype=np.int64))
