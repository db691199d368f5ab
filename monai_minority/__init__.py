"""Find, score and generate the rare images of a data set with diffusion models, on MONAI.

Implements "Don't Play Favorites: Minority Guidance for Diffusion Models" (Um, Lee and Ye, ICLR 2024) for medical
volumes and natural images. Each room of the package is imported by itself. What a notebook starts with is found here:
``score_folder``, ``sample`` and ``Run``; this module imports nothing until one of them is asked for.
"""

from typing import TYPE_CHECKING, Any

from monai_minority.version import __version__

if TYPE_CHECKING:
    from monai_minority.notebook import Run, sample, score_folder

__all__ = ["Run", "__version__", "sample", "score_folder"]


def __getattr__(name: str) -> Any:
    if name in ("Run", "sample", "score_folder"):
        from monai_minority import notebook

        return getattr(notebook, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
