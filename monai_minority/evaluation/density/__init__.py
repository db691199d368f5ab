"""Density of images among real images, in feature space. Higher is always rarer."""

from monai_minority.evaluation.density.measures import average_knn, local_outlier_factor, rarity
from monai_minority.evaluation.density.neighbours import Balls, NeighbourIndex, Neighbours
from monai_minority.evaluation.density.pyod_detector import PyODDetector

__all__ = ["Balls", "NeighbourIndex", "Neighbours", "PyODDetector", "average_knn", "local_outlier_factor", "rarity"]
