"""Precision and recall as a MONAI metric."""

from monai_minority.evaluation.fidelity.named_figure_metric import NamedFigureMetric
from monai_minority.evaluation.fidelity.precision_recall import PrecisionRecall, precision_recall


class PrecisionRecallMetric(NamedFigureMetric):
    """``"precision"`` (the default) or ``"recall"``; higher is better.

    See :func:`~monai_minority.evaluation.fidelity.precision_recall` for both.

    Arguments as of :class:`NamedFigureMetric`.
    """

    names = PrecisionRecall._fields
    measure = staticmethod(precision_recall)
