"""Size of the lateral ventricles in axial T1 slices, from thresholds."""

import numpy as np
import torch
from scipy import ndimage
from skimage.filters import threshold_multiotsu, threshold_otsu
from skimage.measure import label

from monai_minority.evaluation.density.vectors import as_array

CORE = 0.6
"""Size of the core relative to the brain's ellipse. Sulci are dark too, but lie outside the core."""

CLASSES = 4
"""Classes of brightness in the brain. With 4, the darkest class is fluid; with 3 it includes some grey matter."""

BINS = 64
"""Levels of brightness in Otsu's method."""


def ventricle_to_brain_ratio(images: np.ndarray | torch.Tensor) -> np.ndarray:
    """Area of dark fluid in the core of the brain divided by the area of the brain, a simple marker of atrophy.

    The brain is the largest bright region, by Otsu's threshold, with gaps and holes filled. Otsu's method divides its
    brightness into :data:`CLASSES`. The fluid is the darkest class inside the core, an ellipse of :data:`CORE` times
    the brain's extent. Measure slices through the lateral ventricles, about 0 to 25 mm above the anterior commissure.
    The slices must be skull-stripped. The measure also counts the middle of the fissure between the hemispheres, and
    does not replace a segmentation.

    Args:
        images: axial T1 slices ``[B, 1, H, W]`` or ``[B, H, W]`` in [-1, 1], skull-stripped, on a dark background.

    Returns:
        float64 ``[B]`` in [0, 1], higher with more atrophy; NaN where no brain is found (slices with few levels of
        brightness).

    Raises:
        ValueError: the images have another shape or are not finite.

    Example:
        >>> import numpy as np
        >>> from monai_minority.evaluation.severity import ventricle_to_brain_ratio
        >>> y, x = np.mgrid[-1:1:64j, -1:1:64j]
        >>> brain = np.where(x**2 + y**2 < 0.6, 0.4 + 0.3 * np.sin(9 * x) ** 2, -1.0)  # a disc with texture
        >>> small, large = (np.where(x**2 + y**2 < area, -0.6, brain) for area in (0.01, 0.05))
        >>> ventricle_to_brain_ratio(np.stack([small, large])).round(2).tolist()
        [0.02, 0.08]
    """
    slices = as_array(images).astype(np.float64)
    if slices.ndim == 4 and slices.shape[1] == 1:
        slices = slices[:, 0]
    if slices.ndim != 3:
        raise ValueError(f"images must be [B, 1, H, W] or [B, H, W] in [-1, 1], got shape {slices.shape}")
    if not np.isfinite(slices).all():
        raise ValueError("images must be finite, got NaN or infinity")
    return np.array([_ratio(image) for image in slices])


def brain_and_ventricles(image: np.ndarray) -> tuple[np.ndarray, np.ndarray] | None:
    """Masks ``[H, W]`` of the brain and of the fluid, for inspection; ``None`` where no brain is found.

    Example:
        >>> import numpy as np
        >>> from monai_minority.evaluation.severity import brain_and_ventricles
        >>> y, x = np.mgrid[-1:1:64j, -1:1:64j]
        >>> image = np.where(x**2 + y**2 < 0.6, 0.4 + 0.3 * np.sin(9 * x) ** 2, -1.0)
        >>> brain, fluid = brain_and_ventricles(np.where(x**2 + y**2 < 0.05, -0.6, image))
        >>> bool(fluid[32, 32]), bool(fluid[32, 45]), bool(brain[32, 45])
        (True, False, True)
    """
    if np.ptp(image) == 0:
        return None
    # Half of Otsu's threshold above the background keeps grey matter, which the whole threshold may exclude.
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
    """The ellipse with the second moments of the brain, scaled by :data:`CORE`, for any orientation of the head."""
    points = np.argwhere(brain)
    inverse = np.linalg.pinv(np.cov(points, rowvar=False))
    offset = np.moveaxis(np.indices(brain.shape), 0, -1) - points.mean(axis=0)
    # A filled ellipse extends to 2 standard deviations.
    return np.einsum("...i,ij,...j", offset, inverse, offset) < (2 * CORE) ** 2


def _ratio(image: np.ndarray) -> float:
    masks = brain_and_ventricles(image)
    return float("nan") if masks is None else float(masks[1].sum() / masks[0].sum())
