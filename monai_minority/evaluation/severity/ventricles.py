"""Size of the lateral ventricles in axial T1 slices, by thresholds."""

import numpy as np
import torch
from scipy import ndimage
from skimage.filters import threshold_multiotsu, threshold_otsu
from skimage.measure import label

CORE = 0.6
"""Size of the core, relative to the brain's ellipse: sulci are dark too, and lie outside it."""

CLASSES = 4
"""Classes of brightness in the brain; with 4 the darkest is fluid, with 3 it takes in some grey matter."""

BINS = 64
"""Levels of brightness that Otsu's method looks at."""


def ventricle_to_brain_ratio(images: np.ndarray | torch.Tensor) -> np.ndarray:
    """Area of dark fluid in the core of the brain over the brain's area: a plain marker of atrophy, higher is
    more.

    The brain is the largest bright region (by Otsu's threshold), its gaps and holes filled. Otsu's method
    parts its brightness into :data:`CLASSES`; the pixels of the darkest class count that lie in the core, an
    ellipse of :data:`CORE` times the brain's extent. Slices that cut the lateral ventricles (about 0 to 25 mm
    above the anterior commissure) are the ones to measure. It is for skull-stripped slices, counts the middle
    of the fissure between the hemispheres too, and is no substitute for a segmentation.

    Args:
        images: axial T1 slices ``[B, 1, H, W]`` or ``[B, H, W]`` in [-1, 1], skull-stripped on a dark
            background.

    Returns:
        float64 ``[B]`` in [0, 1]; NaN where no brain is found (slices of few levels of brightness).

    Raises:
        ValueError: the images have another shape or are not finite.
    """
    slices = np.asarray(images.detach().cpu() if isinstance(images, torch.Tensor) else images, dtype=np.float64)
    if slices.ndim == 4 and slices.shape[1] == 1:
        slices = slices[:, 0]
    if slices.ndim != 3:
        raise ValueError(f"images must be [B, 1, H, W] or [B, H, W] in [-1, 1], got shape {slices.shape}")
    if not np.isfinite(slices).all():
        raise ValueError("images must be finite, got NaN or infinity")
    return np.array([_ratio(image) for image in slices])


def brain_and_ventricles(image: np.ndarray) -> tuple[np.ndarray, np.ndarray] | None:
    """Masks ``[H, W]`` of the brain and of the fluid counted, to look at; ``None`` where no brain is
    found."""
    if np.ptp(image) == 0:
        return None
    # Half of Otsu's way from the background keeps grey matter, which Otsu alone may leave to the dark side.
    floor = image.min()
    regions = label(image > floor + (threshold_otsu(image) - floor) / 2)
    largest = np.argmax(np.bincount(regions.flat)[1:]) + 1
    gap = max(1, round(min(image.shape) / 40))
    closed = ndimage.binary_closing(np.pad(regions == largest, gap), iterations=gap)[gap:-gap, gap:-gap]
    brain = ndimage.binary_fill_holes(closed)
    values = image[brain]
    if np.count_nonzero(np.histogram(values, BINS)[0]) < CLASSES:
        return None
    dark = image < threshold_multiotsu(values, classes=CLASSES, nbins=BINS)[0]
    return brain, brain & dark & _core(brain)


def _core(brain: np.ndarray) -> np.ndarray:
    """The ellipse with the brain's own second moments, shrunk to :data:`CORE`; whichever way the head
    lies."""
    points = np.argwhere(brain)
    inverse = np.linalg.pinv(np.cov(points, rowvar=False))
    offset = np.moveaxis(np.indices(brain.shape), 0, -1) - points.mean(axis=0)
    # A filled ellipse reaches to 2 standard deviations.
    return np.einsum("...i,ij,...j", offset, inverse, offset) < (2 * CORE) ** 2


def _ratio(image: np.ndarray) -> float:
    masks = brain_and_ventricles(image)
    return float("nan") if masks is None else float(masks[1].sum() / masks[0].sum())
