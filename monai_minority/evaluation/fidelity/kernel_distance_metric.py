"""The kernel distance (KID) as a MONAI metric."""

from torch import Tensor, nn

from monai_minority.evaluation.density.neighbours import Features
from monai_minority.evaluation.fidelity.feature_metric import FeatureMetric
from monai_minority.evaluation.fidelity.kernel_distance import kernel_distance


class KernelDistanceMetric(FeatureMetric):
    """:func:`~monai_minority.evaluation.fidelity.kernel_distance` of all images; lower is closer.

    Args:
        extractor: see :class:`FeatureMetric`.
        real: see :class:`FeatureMetric`.
        subset_size: ``None`` for every pair, or the size of random subsets.
        subsets: how many subsets.
        seed: of their draw. With several processes the order of images, hence the draw, depends on their number.
    """

    def __init__(
        self,
        extractor: nn.Module | None = None,
        real: Features | None = None,
        subset_size: int | None = None,
        subsets: int = 100,
        seed: int = 0,
    ) -> None:
        super().__init__(extractor, real)
        self.subset_size, self.subsets, self.seed = subset_size, subsets, seed

    def compare(self, real: Tensor, generated: Tensor) -> float:
        """The distance."""
        return kernel_distance(real, generated, self.subset_size, self.subsets, self.seed)
