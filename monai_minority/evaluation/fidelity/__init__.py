"""Similarity of generated and real images, in feature space."""

from monai_minority.evaluation.fidelity.distance_figures import UNKNOWN, DistanceFigures, distance_figures
from monai_minority.evaluation.fidelity.frechet import frechet_distance
from monai_minority.evaluation.fidelity.kernel_distance import kernel_distance
from monai_minority.evaluation.fidelity.precision_recall import (
    DensityCoverage,
    PrecisionRecall,
    density_coverage,
    precision_recall,
)
from monai_minority.evaluation.fidelity.resizing import CleanResize

__all__ = [
    "CleanResize",
    "DensityCoverage",
    "UNKNOWN",
    "DistanceFigures",
    "PrecisionRecall",
    "density_coverage",
    "distance_figures",
    "frechet_distance",
    "kernel_distance",
    "precision_recall",
]
