"""Distance in the features of any network."""

from torch import Tensor, nn

from .distance import Distance, Embedding, as_rgb, unit_channels


class FeatureDistance(Distance):
    """Squared distance between unit-length features, as LPIPS (Zhang et al. 2018) without its learned weights.

    Each feature vector (the channels at one position of a map, or a whole pooled feature) is scaled to length 1. The
    squared differences are summed over channels, averaged over positions and added over maps. Each map or pooled
    feature therefore contributes between 0 and 4.

    Args:
        extractor: module from images ``[B, 3, H, W]`` in [-1, 1] to a feature tensor ``[B, D]``, a map ``[B, C, h, w]``
            or a list of these. It is frozen and kept in evaluation mode. Its method ``feature_maps`` is called instead
            of the module where it has one, as :class:`~monai_minority.networks.EfficientNetLite0` does.
        pooled: whether to call the module itself even if it has ``feature_maps``.

    Example:
        >>> import torch
        >>> from monai_minority.scoring import FeatureDistance
        >>> distance = FeatureDistance(torch.nn.Identity())  # the three colours of each pixel are its features
        >>> red = torch.tensor([1.0, 0.0, 0.0]).view(1, 3, 1, 1).expand(1, 3, 4, 4)
        >>> distance(red, 0.5 * red), distance(red, red.flip(1))  # darker, and blue: only the direction counts
        (tensor([0.]), tensor([2.]))
    """

    def __init__(self, extractor: nn.Module, pooled: bool = False) -> None:
        super().__init__()
        self.extractor = extractor.requires_grad_(False)
        self.pooled = pooled
        self.eval()

    def train(self, mode: bool = True) -> "FeatureDistance":
        """Stay in evaluation mode: a distance must not depend on the batch or on dropout."""
        return super().train(False)

    def embed(self, x: Tensor) -> list[Tensor]:
        """Unit-length features of images ``[B, 1 or 3, H, W]``: one tensor ``[B, C, …]`` for each map."""
        call = self.extractor if self.pooled else getattr(self.extractor, "feature_maps", self.extractor)
        features = call(as_rgb(x))
        maps = [features] if isinstance(features, Tensor) else features
        return [unit_channels(feature) for feature in maps]

    def compare(self, a: Embedding, b: Embedding) -> Tensor:
        """Distances ``[B]`` between embeddings."""
        total = [_squared(left, right) for left, right in zip(a, b, strict=True)]
        return sum(total[1:], total[0])


def _squared(a: Tensor, b: Tensor) -> Tensor:
    """Squared differences ``[B]`` of features ``[B, C, …]``, summed over channels and averaged over positions."""
    summed = (a - b).square().sum(1)
    return summed if summed.ndim == 1 else summed.flatten(1).mean(1)
