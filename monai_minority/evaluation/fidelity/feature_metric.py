"""What the MONAI metrics of fidelity share: they gather feature vectors and compare them once, at the end."""

from abc import abstractmethod

import torch
from monai.metrics import CumulativeIterationMetric
from torch import Tensor, nn

from monai_minority.evaluation.density.neighbours import Features


class FeatureMetric(CumulativeIterationMetric):
    """Gathers features of generated and of real images over batches, and over processes as MONAI does.

    Called as ``metric(y_pred, y)`` with generated and real images (or their feature vectors) of a batch, or as
    ``metric(y_pred)`` where the ``real`` features are given; ``aggregate()`` then gives the figure of all, and
    ``reset()`` forgets them. With an ignite handler give ``save_details=False``, or the engine's state keeps every
    vector.

    Args:
        extractor: from images ``[B, C, H, W]`` in [-1, 1] to features ``[B, D]``; ``None``: what comes are features.
        real: features of the real images ``[N, D]``, the same in every process; ``None``: they come with the batches.
    """

    def __init__(self, extractor: nn.Module | None = None, real: Features | None = None) -> None:
        super().__init__()
        self.extractor = extractor
        self.real = None if real is None else torch.as_tensor(real).detach()

    @torch.no_grad()
    def _compute_tensor(self, y_pred: Tensor, y: Tensor | None = None, **kwargs) -> list[Tensor]:  # type: ignore[override]
        if (y is None) == (self.real is None):
            remedy = "give y with each batch, or real when it is made" if y is None else "real is given, and so is y"
            raise ValueError(f"{type(self).__name__} needs real images from one place: {remedy}")
        return [self._features(images) for images in ((y_pred,) if y is None else (y_pred, y))]

    def _features(self, images: Tensor) -> Tensor:
        if self.extractor is not None:
            images = self.extractor(images)
        if images.ndim != 2:
            raise ValueError(f"features must be [B, D], got {tuple(images.shape)}; give an extractor for images")
        return images if images.dtype == torch.float64 else images.float()

    def aggregate(self) -> Tensor:  # type: ignore[override]
        """The figure of everything gathered, a scalar.

        Raises:
            ValueError: nothing was gathered, or too little for the figure.
        """
        gathered = self.get_buffer()
        if gathered is None or not len(gathered):
            raise ValueError(f"{type(self).__name__} has gathered no batch; call it with images before aggregate()")
        if isinstance(gathered, Tensor):
            gathered = [gathered]
        real = gathered[1] if self.real is None else self.real
        return torch.tensor(self.compare(real, gathered[0]), dtype=torch.float64)

    @abstractmethod
    def compare(self, real: Tensor, generated: Tensor) -> float:
        """The figure of real ``[N, D]`` and generated ``[M, D]`` features."""
