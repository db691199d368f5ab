"""Section 3 of the paper: the minority score, its distances, and the classes it is cut into."""

from .distances import L1, L2, LPIPS, DecodedDistance, Distance, FeatureDistance
from .encoded_score import EncodedScore, encoding
from .minority_score import MinorityScore, ScoreResult
from .quantile_classes import QuantileClasses
from .timestep_choice import TimestepChoice, choose_timestep

__all__ = [
    "L1",
    "L2",
    "LPIPS",
    "DecodedDistance",
    "Distance",
    "EncodedScore",
    "FeatureDistance",
    "MinorityScore",
    "QuantileClasses",
    "ScoreResult",
    "TimestepChoice",
    "choose_timestep",
    "encoding",
]
