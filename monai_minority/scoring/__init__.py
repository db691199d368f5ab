"""Section 3 of the paper: the minority score, its distances, and the classes that scores are cut into."""

from .cross_fitted_score import CrossFittedScore
from .distances import L1, L2, LPIPS, Correlation, DecodedDistance, Distance, FeatureDistance, LocalPeak
from .minority_score import EncodedScore, MinorityScore, ScoreResult, encoding
from .quantile_classes import QuantileClasses, score_ranks
from .timestep import TimestepChoice, choose_timestep

__all__ = [
    "L1",
    "L2",
    "LPIPS",
    "Correlation",
    "CrossFittedScore",
    "DecodedDistance",
    "Distance",
    "EncodedScore",
    "FeatureDistance",
    "LocalPeak",
    "MinorityScore",
    "QuantileClasses",
    "ScoreResult",
    "TimestepChoice",
    "choose_timestep",
    "encoding",
    "score_ranks",
]
