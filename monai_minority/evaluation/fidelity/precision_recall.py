"""Improved precision and recall, density and coverage: how the manifolds of real and generated images
overlap."""

from typing import NamedTuple

from monai_minority.evaluation.density.neighbours import Features, NeighbourIndex, as_index


class PrecisionRecall(NamedTuple):
    """Shares in [0, 1]."""

    precision: float
    """Share of generated images inside the real manifold."""
    recall: float
    """Share of real images inside the generated manifold."""


class DensityCoverage(NamedTuple):
    """Density is at least 0 and not bounded by 1; coverage is a share."""

    density: float
    """Mean number of real balls that hold a generated image, over k."""
    coverage: float
    """Share of real images whose ball holds a generated one."""


def precision_recall(
    real: Features | NeighbourIndex, generated: Features | NeighbourIndex, k: int = 5
) -> PrecisionRecall:
    """Improved precision and recall (Kynkäänniemi et al., 2019): membership in the union of closed k-NN
    balls.

    Args:
        real: real feature vectors ``[N, D]``, or an index of them with ``ball=k``.
        generated: generated feature vectors ``[M, D]``, or an index of them with ``ball=k``.
        k: neighbour a ball reaches to, itself not counted. The paper uses 5.

    Returns:
        ``(precision, recall)``.

    Raises:
        ValueError: the shapes do not fit, values are not finite, or ``k`` is out of range.
    """
    index = as_index(generated, ball=k)
    if index.ball != k:
        raise ValueError(
            f"k must equal the ball of the generated index ({index.ball}), got {k}; build it with ball={k}"
        )
    balls = as_index(real, ball=k).balls(index, k)
    assert balls.reached is not None
    return PrecisionRecall(float((balls.count > 0).mean()), float(balls.reached.mean()))


def density_coverage(
    real: Features | NeighbourIndex, generated: Features | NeighbourIndex, k: int = 5
) -> DensityCoverage:
    """Density and coverage (Naeem et al., 2020, Eq. 3 and 4), with closed balls as for precision.

    Args:
        real: real feature vectors ``[N, D]``, or an index of them with ``ball=k``.
        generated: generated feature vectors ``[M, D]``, or an index of them.
        k: neighbour a ball reaches to, itself not counted.

    Returns:
        ``(density, coverage)``.

    Raises:
        ValueError: the shapes do not fit, values are not finite, or ``k`` is out of range.
    """
    balls = as_index(real, ball=k).balls(generated, k)
    return DensityCoverage(float(balls.count.mean() / k), float(balls.occupied.mean()))
