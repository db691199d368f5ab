"""Distances between images, each in two steps: embed once, compare often."""

from .decoded import DecodedDistance
from .distance import Distance
from .feature_distance import FeatureDistance
from .l1 import L1
from .l2 import L2
from .lpips import LPIPS

__all__ = ["L1", "L2", "LPIPS", "DecodedDistance", "Distance", "FeatureDistance"]
