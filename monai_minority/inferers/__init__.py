"""How networks are called: guided sampling, scoring, and classification of noised images."""

from .autocast import AutocastInferer
from .denoising import DenoisingInferer, LabelPair
from .encoding import EncodingInferer
from .guided import GuidedDiffusionInferer
from .latent import LatentDiffusionInferer, decoding
from .noisy_classifier import NoisyClassifierInferer
from .scoring import ScoringInferer
from .self_distillation import SelfDistillationInferer

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
