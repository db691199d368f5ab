"""Find, score and generate the rare images of a data set with diffusion models, on MONAI.

Implements "Don't Play Favorites: Minority Guidance for Diffusion Models" (Um, Lee and Ye, ICLR 2024) for medical
volumes and natural images. Each room of the package is imported by itself; this module imports nothing.
"""

__version__ = "0.2.0"
