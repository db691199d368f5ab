"""Density and coverage as a MONAI metric."""

from monai_minority.evaluation.fidelity.named_figure_metric import NamedFigureMetric
from monai_minority.evaluation.fidelity.precision_recall import DensityCoverage, density_coverage


class DensityCoverageMetric(NamedFigureMetric):
    """``"density"`` (the default) or ``"coverage"``; higher is better.

    See :func:`~monai_minority.evaluation.fidelity.density_coverage` for both.

    Arguments as of :class:`NamedFigureMetric`.
    """

    names = DensityCoverage._fields
    measure = staticmethod(density_coverage)
