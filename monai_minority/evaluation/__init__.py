"""Features, density, fidelity, memorization and severity of real and generated images.

Functions on arrays throughout; a :class:`Figure` is a number with its interval and how it was measured.
"""

from monai_minority.evaluation import (
    agreement,
    density,
    features,
    fidelity,
    groups,
    memorization,
    severity,
    utility,
)
from monai_minority.evaluation.fidelity.figures import fidelity_figures
from monai_minority.evaluation.figure import Figure, library_versions

__all__ = [
    "Figure",
    "agreement",
    "density",
    "features",
    "fidelity",
    "fidelity_figures",
    "library_versions",
    "groups",
    "memorization",
    "severity",
    "utility",
]
