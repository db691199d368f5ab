"""The Fréchet distance as a MONAI metric."""

from torch import Tensor

from monai_minority.evaluation.fidelity.feature_metric import FeatureMetric
from monai_minority.evaluation.fidelity.frechet import frechet_distance


class FrechetMetric(FeatureMetric):
    """:func:`~monai_minority.evaluation.fidelity.frechet_distance` of all images; lower is closer."""

    def compare(self, real: Tensor, generated: Tensor) -> float:
        """The distance."""
        return frechet_distance(real, generated)
