"""Density of images among real images, in feature space. Higher is always rarer."""

from monai_minority.evaluation.density.measures import RarityScores, average_knn, local_outlier_factor, rarity
from monai_minority.evaluation.density.neighbours import Balls, NeighbourIndex, Neighbours
from monai_minority.evaluation.density.pyod_detector import PyODDetector

__all__ = [
    "Balls",
    "NeighbourIndex",
    "Neighbours",
    "PyODDetector",
    "RarityScores",
    "average_knn",
    "local_outlier_factor",
    "rarity",
]
