"""Features, density, fidelity, memorization and severity of real and generated images.

Functions on arrays throughout; a :class:`Figure` is a number with its interval and how it was measured.
"""

from monai_minority.evaluation import (
    agreement,
    density,
    features,
    fidelity,
    memorization,
    reference,
    separation,
    severity,
    utility,
)
from monai_minority.evaluation.comparison import fidelity_figures
from monai_minority.evaluation.evaluation_tables import RunEvaluation
from monai_minority.evaluation.figure import Figure, library_versions
from monai_minority.evaluation.run_comparison import compare_methods
from monai_minority.evaluation.run_evaluation import evaluate_run
from monai_minority.evaluation.run_feature_spaces import judge_feature_spaces
from monai_minority.evaluation.run_utility import measure_utility

__all__ = [
    "Figure",
    "RunEvaluation",
    "agreement",
    "compare_methods",
    "density",
    "evaluate_run",
    "features",
    "fidelity",
    "fidelity_figures",
    "judge_feature_spaces",
    "library_versions",
    "measure_utility",
    "memorization",
    "reference",
    "separation",
    "severity",
    "utility",
]
