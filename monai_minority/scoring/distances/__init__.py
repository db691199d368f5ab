"""Distances between images in two steps: embed once, compare often."""

from .distance import L1, L2, Correlation, DecodedDistance, Distance
from .feature_distance import FeatureDistance
from .local_peak import LocalPeak
from .lpips import LPIPS

__all__ = ["L1", "L2", "LPIPS", "Correlation", "DecodedDistance", "Distance", "FeatureDistance", "LocalPeak"]
