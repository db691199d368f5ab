"""From a run's stores to its tables."""

from monai_minority.tables.comparison import compare_methods
from monai_minority.tables.evaluate import evaluate_run
from monai_minority.tables.evaluation import RunEvaluation
from monai_minority.tables.feature_spaces import judge_feature_spaces
from monai_minority.tables.utility import measure_utility

__all__ = ["RunEvaluation", "compare_methods", "evaluate_run", "judge_feature_spaces", "measure_utility"]
