"""Features of the common and of the rare training images, which guidance by features leads from and to."""

import torch
from torch import nn

from monai_minority.data import ImageStore
from monai_minority.data.store.image_store import evenly
from monai_minority.diffusion import SeededNoise
from monai_minority.evaluation.features import extract
from monai_minority.guidance import FeatureGaussians, fit_feature_gaussians
from monai_minority.keys import Column

_NOISED, _LITTLE = 64, 0.05
"""Images that the effect of noise is measured on, and the noise's standard deviation."""


def score_bounds(images: ImageStore, common_share: float, rare_share: float) -> list[float]:
    """The scores that bound shares of the images: the lowest are common, the highest rare.

    As plain numbers they stand in the record of what was sampled with them.

    Args:
        images: scored images, normally of the training split.
        common_share: share of the lowest scores, and
        rare_share: of the highest, together at most 1.

    Returns:
        Highest score of the common images and lowest of the rare ones.

    Raises:
        ValueError: the images have no scores, or the shares are out of range.

    Example:
        >>> import tempfile
        >>> import numpy as np
        >>> from monai_minority.data import ImageStore
        >>> from monai_minority.stages import score_bounds
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     table = {"minority_score": np.arange(11.0)}
        ...     store = ImageStore.create(f"{folder}/store", np.zeros((11, 1, 2, 2), np.uint8), table, (0, 255))
        ...     score_bounds(store, common_share=0.5, rare_share=0.2)
        [5.0, 8.0]
    """
    if Column.SCORE not in images.table:
        raise ValueError(f"{images.path} has no column {Column.SCORE}; run the stage score first (score.yaml)")
    if not 0 < rare_share <= 1 - common_share < 1:
        raise ValueError(
            f"common_share and rare_share must be positive and at most 1 together, got {common_share} and {rare_share}"
        )
    scores = images.table[Column.SCORE]
    return [float(scores.quantile(share)) for share in (common_share, 1 - rare_share)]


def feature_gaussians(
    extractor: nn.Module, images: ImageStore, bounds: list[float], device: torch.device | str = "cpu"
) -> FeatureGaussians:
    """Extract the features of scored images and fit the Gaussians of the common and of the rare ones.

    What unit noise on the images does to a feature is measured on some of them, under little noise.

    Args:
        extractor: from images, or latents where the store holds such, to features ``[B, D]``.
        images: scored images, normally of the training split.
        bounds: of :func:`score_bounds`.
        device: where to compute.

    Returns:
        The Gaussians; see :func:`~monai_minority.guidance.fit_feature_gaussians`.
    """
    features = extract(images, extractor, device=device, progress=False)
    rows = evenly(len(images), _NOISED)
    noise = _LITTLE * SeededNoise(rows.tolist(), images.image_shape, device)()
    with torch.no_grad():
        noised = extractor(images.batch(rows).to(device) + noise).float().cpu()
    variance = (noised - torch.from_numpy(features[rows])).square().mean().item() / _LITTLE**2
    common_up_to, rare_from = bounds
    scores = images.table[Column.SCORE].to_numpy()
    return fit_feature_gaussians(features, scores, common_up_to, rare_from, noise=variance)
