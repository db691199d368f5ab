"""What MONAI metrics of figures that come together have in common."""

from collections.abc import Callable
from typing import Any, ClassVar

from torch import Tensor, nn

from monai_minority.evaluation.density.neighbours import Features
from monai_minority.evaluation.fidelity.feature_metric import FeatureMetric


class NamedFigureMetric(FeatureMetric):
    """One of the figures that a function of real and generated features and ``k`` gives together; a handler records
    one number.

    Args:
        extractor: see :class:`FeatureMetric`.
        real: see :class:`FeatureMetric`.
        figure: one of :attr:`names`; ``None``: the first.
        k: neighbour a ball reaches to, itself not counted.

    Attributes:
        names: of the figures.
        measure: the function.

    Raises:
        ValueError: there is no such figure.
    """

    names: ClassVar[tuple[str, ...]]
    measure: ClassVar[Callable[..., Any]]

    def __init__(
        self, extractor: nn.Module | None = None, real: Features | None = None, figure: str | None = None, k: int = 5
    ) -> None:
        super().__init__(extractor, real)
        figure = self.names[0] if figure is None else figure
        if figure not in self.names:
            raise ValueError(f"figure must be one of {', '.join(self.names)}, got {figure!r}")
        self.figure, self.k = figure, k

    def compare(self, real: Tensor, generated: Tensor) -> float:
        """The figure."""
        return float(getattr(self.measure(real, generated, self.k), self.figure))
