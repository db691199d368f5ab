"""Rarity Score: radius of the smallest real ball that holds an image."""

import numpy as np

from monai_minority.evaluation.density.neighbours import Features, NeighbourIndex, as_index


class RarityScores(np.ndarray):
    """A float64 array ``[Q]`` of rarity scores, NaN outside every real ball, that can say how much of it is
    valid."""

    @property
    def valid_share(self) -> float:
        """Share of images that lie in some real ball, hence have a score. It is improved precision at the
        same k."""
        return float(np.isfinite(self).mean())

    @property
    def valid_mean(self) -> float:
        """Mean score of the images that have one; NaN where none has. To be read beside ``valid_share``."""
        valid = np.asarray(self)[np.isfinite(self)]
        return float(valid.mean()) if valid.size else float("nan")


def rarity(real: Features | NeighbourIndex, query: Features | NeighbourIndex | None = None, k: int = 5) -> RarityScores:
    """Rarity Score (Han et al., 2023, Eq. 3): smallest k-nearest-neighbour radius among the real balls that
    hold the query.

    A real vector's closed ball reaches to its ``k``-th nearest real neighbour, itself not counted. A query in
    no ball is implausible rather than rare and gets NaN (the authors' code gives 0, which reads as most
    common).

    Args:
        real: real feature vectors ``[N, D]``, or a :class:`NeighbourIndex` of them.
        query: vectors to judge ``[Q, D]``, or an index of them; ``None`` for the real ones, each against the
            balls of the others.
        k: neighbour that a ball reaches to, below N.

    Returns:
        :class:`RarityScores`, float64 ``[Q]``, in the unit of the features; higher is rarer.

    Raises:
        ValueError: the shapes do not fit, values are not finite, or ``k`` is out of range.
    """
    return as_index(real, ball=k).balls(query, k).smallest_radius.view(RarityScores)
