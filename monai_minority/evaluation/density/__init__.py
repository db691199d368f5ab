"""Density of images among real ones, in feature space. Higher is rarer, always."""

from monai_minority.evaluation.density.average_knn import average_knn
from monai_minority.evaluation.density.local_outlier_factor import local_outlier_factor
from monai_minority.evaluation.density.neighbours import Balls, NeighbourIndex, Neighbours
from monai_minority.evaluation.density.pyod_detector import PyODDetector, pyod_detector
from monai_minority.evaluation.density.rarity import RarityScores, rarity

__all__ = [
    "Balls",
    "NeighbourIndex",
    "Neighbours",
    "PyODDetector",
    "RarityScores",
    "average_knn",
    "local_outlier_factor",
    "pyod_detector",
    "rarity",
]
