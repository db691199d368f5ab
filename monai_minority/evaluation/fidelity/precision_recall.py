"""Improved precision and recall, density and coverage: the overlap of the manifolds of real and generated images."""

from typing import NamedTuple

from monai_minority.evaluation.density.neighbours import Features, NeighbourIndex, as_index


class PrecisionRecall(NamedTuple):
    """Precision and recall, both shares in [0, 1].

    Example:
        >>> from monai_minority.evaluation.fidelity import PrecisionRecall
        >>> PrecisionRecall(precision=0.9, recall=0.6)
        PrecisionRecall(precision=0.9, recall=0.6)
    """

    precision: float
    """Share of generated images inside the real manifold."""
    recall: float
    """Share of real images inside the generated manifold."""


class DensityCoverage(NamedTuple):
    """Density, which is at least 0 and can exceed 1, and coverage, a share in [0, 1].

    Example:
        >>> from monai_minority.evaluation.fidelity import DensityCoverage
        >>> DensityCoverage(density=1.2, coverage=0.8).coverage
        0.8
    """

    density: float
    """Mean number of real balls that hold a generated image, divided by k."""
    coverage: float
    """Share of real images whose ball holds a generated image."""


def precision_recall(
    real: Features | NeighbourIndex, generated: Features | NeighbourIndex, k: int = 5
) -> PrecisionRecall:
    """Improved precision and recall (Kynkäänniemi et al., 2019): membership in the union of closed k-NN balls.

    Args:
        real: real feature vectors ``[N, D]``, or an index of them with ``ball=k``.
        generated: generated feature vectors ``[M, D]``, or an index of them with ``ball=k``.
        k: neighbour that a ball extends to, without the image itself. The paper uses 5.

    Returns:
        ``(precision, recall)``.

    Raises:
        ValueError: the shapes do not fit, values are not finite, or ``k`` is out of range.

    Example:
        >>> import numpy as np
        >>> from monai_minority.evaluation.fidelity import precision_recall
        >>> real, generated = np.array([[0.0], [1.0], [9.0], [10.0]]), np.array([[0.5], [0.6], [30.0]])
        >>> precision, recall = precision_recall(real, generated, k=1)
        >>> round(precision, 2), recall
        (0.67, 0.75)
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
        k: neighbour that a ball extends to, without the image itself.

    Returns:
        ``(density, coverage)``.

    Raises:
        ValueError: the shapes do not fit, values are not finite, or ``k`` is out of range.

    Example:
        >>> import numpy as np
        >>> from monai_minority.evaluation.fidelity import density_coverage
        >>> real, generated = np.array([[0.0], [1.0], [9.0], [10.0]]), np.array([[0.5], [0.6]])
        >>> density_coverage(real, generated, k=1)  # each lies in two balls
        DensityCoverage(density=2.0, coverage=0.5)
    """
    balls = as_index(real, ball=k).balls(generated, k)
    return DensityCoverage(float(balls.count.mean() / k), float(balls.occupied.mean()))
