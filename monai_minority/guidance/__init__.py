"""Gradients that steer sampling; they add, ``a + b``."""

from .classifier import LabelClassifierGuidance, MinorityClassifierGuidance, MixedDensityGuidance
from .low_density import LowDensityGuidance
from .self_guidance import SelfGuidance
from .term import Draw, GuidanceTerm, SamplingState, SumGuidance

__all__ = [
    "Draw",
    "GuidanceTerm",
    "LabelClassifierGuidance",
    "LowDensityGuidance",
    "MinorityClassifierGuidance",
    "MixedDensityGuidance",
    "SamplingState",
    "SelfGuidance",
    "SumGuidance",
]
