"""Gradients that steer sampling; they add, ``a + b``."""

from .classifier import LabelClassifierGuidance, MinorityClassifierGuidance, MixedDensityGuidance
from .classifier_free import ClassifierFreeGuidance
from .features import FeatureGaussians, FeatureGuidance, fit_feature_gaussians
from .low_density import LowDensityGuidance
from .self_guidance import SelfGuidance
from .term import Draw, GuidanceTerm, SamplingState, SumGuidance

__all__ = [
    "ClassifierFreeGuidance",
    "Draw",
    "FeatureGaussians",
    "FeatureGuidance",
    "GuidanceTerm",
    "LabelClassifierGuidance",
    "LowDensityGuidance",
    "MinorityClassifierGuidance",
    "MixedDensityGuidance",
    "SamplingState",
    "SelfGuidance",
    "SumGuidance",
    "fit_feature_gaussians",
]
