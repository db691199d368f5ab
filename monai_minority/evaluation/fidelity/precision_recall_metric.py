"""Precision and recall as a MONAI metric."""

from torch import Tensor, nn

from monai_minority.evaluation.density.neighbours import Features
from monai_minority.evaluation.fidelity.feature_metric import FeatureMetric
from monai_minority.evaluation.fidelity.precision_recall import PrecisionRecall, precision_recall


class PrecisionRecallMetric(FeatureMetric):
    """One of the two figures of :func:`~monai_minority.evaluation.fidelity.precision_recall`; higher is better.

    Args:
        extractor: see :class:`FeatureMetric`.
        real: see :class:`FeatureMetric`.
        figure: ``"precision"`` or ``"recall"``: a handler records one number.
        k: neighbour a ball reaches to, itself not counted.

    Raises:
        ValueError: there is no such figure.
    """

    def __init__(
        self, extractor: nn.Module | None = None, real: Features | None = None, figure: str = "precision", k: int = 5
    ) -> None:
        super().__init__(extractor, real)
        if figure not in PrecisionRecall._fields:
            raise ValueError(f"figure must be one of {', '.join(PrecisionRecall._fields)}, got {figure!r}")
        self.figure, self.k = figure, k

    def compare(self, real: Tensor, generated: Tensor) -> float:
        """The figure."""
        return float(getattr(precision_recall(real, generated, self.k), self.figure))
