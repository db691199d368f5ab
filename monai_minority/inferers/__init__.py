"""How networks are called: guided sampling, scoring, and classification of noised images."""

from .denoising import DenoisingInferer, LabelPair
from .guided import GuidedDiffusionInferer
from .latent import LatentDiffusionInferer, decoding
from .noisy_classifier import NoisyClassifierInferer
from .small import AutocastInferer, EncodingInferer, ScoringInferer, SelfDistillationInferer

__all__ = [
    "AutocastInferer",
    "DenoisingInferer",
    "EncodingInferer",
    "GuidedDiffusionInferer",
    "LatentDiffusionInferer",
    "LabelPair",
    "NoisyClassifierInferer",
    "ScoringInferer",
    "SelfDistillationInferer",
    "decoding",
]
