"""Networks that wrap other networks, and a check for class-conditional networks."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class SpaceToDepth(nn.Module):
    """A network that sees blocks of ``factor x factor`` pixels as channels (Hoogeboom et al., ICML 2023).

    The inner network, a U-Net or an encoder, works at ``1 / factor`` of the resolution and at about ``1 / factor**2``
    of the cost.

    Args:
        network: U-Net with ``C * factor**2`` input channels and as many output channels (twice as many for learned
            variances), called as ``network(x, timesteps, context=None, class_labels=None)``; or an encoder with
            ``C * factor**2`` input channels.
        factor: side of a block in pixels. 1 means no blocks. Height and width of the images must be multiples of it.
        restore: move the output channels back to pixels. Set to false for an encoder.

    Raises:
        ValueError: if ``factor`` is below 1.

    Example:
        >>> import torch
        >>> from monai_minority.networks import SpaceToDepth
        >>> class Identity(torch.nn.Module):
        ...     def forward(self, x, timesteps):
        ...         print("network sees", tuple(x.shape))
        ...         return x
        >>> SpaceToDepth(Identity(), factor=2)(torch.zeros(1, 3, 8, 8), torch.tensor([10])).shape
        network sees (1, 12, 4, 4)
        torch.Size([1, 3, 8, 8])
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
        """Output for ``x`` ``[B, C, H, W]``: a map of the same height and width, or the logits of an encoder."""
        timesteps = torch.as_tensor(timesteps, device=x.device)  # MONAI's command line can give a list alone
        call: dict[str, Any] = {"context": context, "class_labels": class_labels}
        call = {name: value for name, value in call.items() if value is not None}
        output = self.network(F.pixel_unshuffle(x, self.factor), timesteps, **call)
        return F.pixel_shuffle(output, self.factor) if self.restore else output


class ClassifierFeatures(nn.Module):
    """A noisy-image classifier that returns its features instead of its logits.

    Args:
        classifier: module with ``features(x, timesteps) -> [B, ...]``, such as :class:`BackboneClassifier` or
            :class:`ADMEncoder`.

    Raises:
        ValueError: if the classifier has no method ``features``.

    Example:
        >>> import torch
        >>> from monai_minority.networks import ADMEncoder, ClassifierFeatures
        >>> classifier = ADMEncoder(
        ...     image_size=8,
        ...     in_channels=1,
        ...     model_channels=32,
        ...     out_channels=10,
        ...     num_res_blocks=1,
        ...     attention_resolutions=[],
        ...     channel_mult=[1],
        ... )
        >>> ClassifierFeatures(classifier)(torch.zeros(2, 1, 8, 8), torch.tensor([10, 999])).shape
        torch.Size([2, 2048])
    """

    def __init__(self, classifier: nn.Module) -> None:
        super().__init__()
        if not hasattr(classifier, "features"):
            raise ValueError(f"classifier must have a method features, {type(classifier).__name__} has none")
        self.classifier: Any = classifier

    def forward(self, x: Tensor, timesteps: Tensor) -> Tensor:
        """Features ``[B, F]`` of noisy images ``[B, C, H, W]``. Feature maps are flattened."""
        return self.classifier.features(x, timesteps).flatten(1)


def takes_class_labels(network: Callable[..., Tensor], unknown: bool) -> bool:
    """Whether a network is conditioned on class labels.

    The function reads the attribute ``num_classes`` (this package) or ``num_class_embeds`` (MONAI). The attribute is
    ``None`` in an unconditional network.

    Args:
        network: the network, bare or wrapped for distributed work.
        unknown: result for a network with neither attribute.

    Example:
        >>> from torch import nn
        >>> from monai_minority.networks.wrappers import takes_class_labels
        >>> takes_class_labels(nn.Linear(1, 1), unknown=False)
        False
    """
    network = getattr(network, "module", network)
    for name in ("num_classes", "num_class_embeds"):
        if hasattr(network, name):
            return getattr(network, name) is not None
    return unknown
