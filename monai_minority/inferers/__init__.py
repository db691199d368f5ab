"""How networks are called: guided sampling, scoring, and classification of noised images."""

from .autocast import AutocastInferer
from .denoising import DenoisingInferer, LabelPair
from .guided import GuidedDiffusionInferer
from .noisy_classifier import NoisyClassifierInferer
from .scoring import ScoringInferer
from .self_distillation import SelfDistillationInferer

__all__ = [
    "AutocastInferer",
    "DenoisingInferer",
    "GuidedDiffusionInferer",
    "LabelPair",
    "NoisyClassifierInferer",
    "ScoringInferer",
    "SelfDistillationInferer",
]
