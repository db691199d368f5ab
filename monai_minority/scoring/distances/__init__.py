"""Distances between images, each in two steps: embed once, compare often."""

from .decoded import DecodedDistance
from .distance import Distance
from .feature_distance import FeatureDistance
from .lpips import LPIPS
from .pixels import L1, L2

__all__ = ["L1", "L2", "LPIPS", "DecodedDistance", "Distance", "FeatureDistance"]
