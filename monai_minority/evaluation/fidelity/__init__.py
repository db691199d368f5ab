"""How close generated images are to real ones, in feature space."""

from monai_minority.evaluation.fidelity.bootstrap import Interval, bootstrap
from monai_minority.evaluation.fidelity.density_coverage_metric import DensityCoverageMetric
from monai_minority.evaluation.fidelity.distance_figures import UNKNOWN, DistanceFigures, distance_figures
from monai_minority.evaluation.fidelity.feature_metric import FeatureMetric
from monai_minority.evaluation.fidelity.frechet import (
    frechet_distance,
    frechet_distance_from_moments,
    spatial_frechet_distance,
)
from monai_minority.evaluation.fidelity.frechet_metric import FrechetMetric
from monai_minority.evaluation.fidelity.kernel_distance import kernel_distance
from monai_minority.evaluation.fidelity.kernel_distance_metric import KernelDistanceMetric
from monai_minority.evaluation.fidelity.precision_recall import (
    DensityCoverage,
    PrecisionRecall,
    density_coverage,
    precision_recall,
)
from monai_minority.evaluation.fidelity.precision_recall_metric import PrecisionRecallMetric
from monai_minority.evaluation.fidelity.resizing import CleanResize

__all__ = [
    "CleanResize",
    "DensityCoverage",
    "DensityCoverageMetric",
    "UNKNOWN",
    "DistanceFigures",
    "FeatureMetric",
    "FrechetMetric",
    "Interval",
    "KernelDistanceMetric",
    "PrecisionRecall",
    "PrecisionRecallMetric",
    "bootstrap",
    "density_coverage",
    "distance_figures",
    "frechet_distance",
    "frechet_distance_from_moments",
    "kernel_distance",
    "precision_recall",
    "spatial_frechet_distance",
]
