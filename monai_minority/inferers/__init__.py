"""How networks are called: guided sampling, scoring, and classification of noised images."""

from .guided import GuidedDiffusionInferer
from .noisy_classifier import NoisyClassifierInferer
from .scoring import ScoringInferer
from .seeded_noise import SeededNoise

__all__ = ["GuidedDiffusionInferer", "NoisyClassifierInferer", "ScoringInferer", "SeededNoise"]
