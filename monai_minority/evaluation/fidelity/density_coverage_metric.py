"""Density and coverage as a MONAI metric."""

from torch import Tensor, nn

from monai_minority.evaluation.density.neighbours import Features
from monai_minority.evaluation.fidelity.feature_metric import FeatureMetric
from monai_minority.evaluation.fidelity.precision_recall import DensityCoverage, density_coverage


class DensityCoverageMetric(FeatureMetric):
    """One of the two figures of :func:`~monai_minority.evaluation.fidelity.density_coverage`; higher is better.

    Args:
        extractor: see :class:`FeatureMetric`.
        real: see :class:`FeatureMetric`.
        figure: ``"density"`` or ``"coverage"``: a handler records one number.
        k: neighbour a ball reaches to, itself not counted.

    Raises:
        ValueError: there is no such figure.
    """

    def __init__(
        self, extractor: nn.Module | None = None, real: Features | None = None, figure: str = "density", k: int = 5
    ) -> None:
        super().__init__(extractor, real)
        if figure not in DensityCoverage._fields:
            raise ValueError(f"figure must be one of {', '.join(DensityCoverage._fields)}, got {figure!r}")
        self.figure, self.k = figure, k

    def compare(self, real: Tensor, generated: Tensor) -> float:
        """The figure."""
        return float(getattr(density_coverage(real, generated, self.k), self.figure))
