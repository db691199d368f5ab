"""Gradients that steer sampling; they add, ``a + b``."""

from .label_classifier import LabelClassifierGuidance
from .low_density import LowDensityGuidance
from .minority_classifier import MinorityClassifierGuidance
from .mixed_density import MixedDensityGuidance
from .self_guidance import SelfGuidance
from .sum import SumGuidance
from .term import Denoise, Draw, GuidanceTerm

__all__ = [
    "Denoise",
    "Draw",
    "GuidanceTerm",
    "LabelClassifierGuidance",
    "LowDensityGuidance",
    "MinorityClassifierGuidance",
    "MixedDensityGuidance",
    "SelfGuidance",
    "SumGuidance",
]
