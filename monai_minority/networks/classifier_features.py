"""The features of a classifier in place of its logits."""

from typing import Any

from torch import Tensor, nn


class ClassifierFeatures(nn.Module):
    """A classifier of noisy images, called for its features.

    Args:
        classifier: with ``features(x, timesteps) -> [B, ...]``, such as :class:`BackboneClassifier` or
            :class:`ADMEncoder`.

    Raises:
        ValueError: it has no features.
    """

    def __init__(self, classifier: nn.Module) -> None:
        super().__init__()
        if not hasattr(classifier, "features"):
            raise ValueError(f"classifier must have a method features, {type(classifier).__name__} has none")
        self.classifier: Any = classifier

    def forward(self, x: Tensor, timesteps: Tensor) -> Tensor:
        """Features ``[B, F]`` of noisy images ``[B, C, H, W]``."""
        return self.classifier.features(x, timesteps).flatten(1)
