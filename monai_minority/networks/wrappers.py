"""Networks around networks, and the question whether the inner one is conditioned on class labels."""

from collections.abc import Callable
from typing import Any

from torch import Tensor, nn
from torch.nn import functional as F


class SpaceToDepth(nn.Module):
    """Moves blocks of ``factor x factor`` pixels into channels before a U-Net and back after it.

    The U-Net then works at ``1 / factor`` of the resolution, at about ``1 / factor**2`` of the cost, with which
    small images lose little (the patching of Hoogeboom et al., "Simple diffusion", 2023).

    Args:
        network: U-Net of ``C * factor**2`` input channels and ``C * factor**2`` outputs (twice that where it learns
            its variances), called as ``network(x, timesteps, context=None, class_labels=None)``; or an encoder of
            that many input channels.
        factor: side of a block in pixels, 1 for no blocks; height and width of the images must be multiples of it.
        restore: the output is a map whose channels go back to pixels; off for an encoder.
    """

    def __init__(self, network: nn.Module, factor: int = 2, restore: bool = True) -> None:
        super().__init__()
        if factor < 1:
            raise ValueError(f"factor must be at least 1, got {factor}; it is the side of a block in pixels")
        self.network = network
        self.factor = factor
        self.restore = restore
        # What tells that a network is conditional on class labels, here and in MONAI.
        for name in ("num_classes", "num_class_embeds"):
            if hasattr(network, name):
                setattr(self, name, getattr(network, name))

    def forward(
        self, x: Tensor, timesteps: Tensor, context: Tensor | None = None, class_labels: Tensor | None = None
    ) -> Tensor:
        """Network output for ``x`` ``[B, C, H, W]``, of the same height and width; of an encoder, its logits."""
        call: dict[str, Any] = {"context": context, "class_labels": class_labels}
        call = {name: value for name, value in call.items() if value is not None}
        output = self.network(F.pixel_unshuffle(x, self.factor), timesteps, **call)
        return F.pixel_shuffle(output, self.factor) if self.restore else output


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


def takes_class_labels(network: Callable[..., Tensor], unknown: bool) -> bool:
    """Whether a network is conditional on class labels.

    Known by its attribute ``num_classes`` (here) or ``num_class_embeds`` (MONAI), ``None`` where it is not.

    Args:
        network: the network, bare or wrapped for distributed work.
        unknown: the answer for a network that has neither attribute.
    """
    network = getattr(network, "module", network)
    for name in ("num_classes", "num_class_embeds"):
        if hasattr(network, name):
            return getattr(network, name) is not None
    return unknown
