"""Features, density, fidelity, copies and severity of real and generated images: arrays in, numbers out.

A :class:`Figure` is a number with its interval and a record of how it was measured.
"""

from monai_minority.evaluation import agreement, copies, density, features, fidelity, groups, nearest, severity, utility
from monai_minority.evaluation.fidelity.figures import fidelity_figures
from monai_minority.evaluation.figure import Figure, library_versions

__all__ = [
    "Figure",
    "agreement",
    "copies",
    "density",
    "features",
    "fidelity",
    "fidelity_figures",
    "library_versions",
    "groups",
    "nearest",
    "severity",
    "utility",
]
