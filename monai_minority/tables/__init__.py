"""From a run's stores to its tables. A measure is one entry of :data:`~monai_minority.tables.measures.MEASURES`."""

from monai_minority.tables.comparison import compare_methods
from monai_minority.tables.copies import drop_copies, measure_copies
from monai_minority.tables.evaluate import evaluate_run
from monai_minority.tables.evaluation import RunEvaluation
from monai_minority.tables.feature_spaces import judge_feature_spaces
from monai_minority.tables.measures import MEASURES, Measure
from monai_minority.tables.settings import HELD_OUT, MeasureSettings
from monai_minority.tables.utility import measure_utility

__all__ = [
    "HELD_OUT",
    "MEASURES",
    "Measure",
    "MeasureSettings",
    "RunEvaluation",
    "compare_methods",
    "drop_copies",
    "evaluate_run",
    "judge_feature_spaces",
    "measure_copies",
    "measure_utility",
]
