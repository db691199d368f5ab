"""The network that self-distillation trains, over crops of several sizes."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from monai_minority.networks.imagenet import IMAGENET_MEAN, IMAGENET_STD, normalise


class SelfDistillationNetwork(nn.Module):
    """Student or teacher of self-distillation.

    Args:
        backbone: from normalised images ``[B, 3, H, W]`` of either size to features ``[B, D]``, such as timm's vision
            transformers with ``num_classes=0, dynamic_img_size=True``.
        head: from those features to logits.
        mean: of each channel, on the scale of [0, 1], that the backbone's images are shifted by.
        std: of each channel, that they are then divided by.
    """

    def __init__(
        self,
        backbone: nn.Module,
        head: nn.Module,
        mean: Sequence[float] = IMAGENET_MEAN,
        std: Sequence[float] = IMAGENET_STD,
    ) -> None:
        super().__init__()
        self.backbone = backbone
        self.head = head
        self._mean, self._std = tuple(mean), tuple(std)

    def forward(self, views: Sequence[Tensor] | Tensor) -> Tensor:
        """Logits of every crop, large ones first.

        Args:
            views: crops ``[V, B, C, H, W]`` of each size, such as :class:`~monai_minority.transforms.Views`, or of one
                size alone, in [-1, 1].

        Returns:
            ``[V, B, K]``; crops of one size pass the backbone together.
        """
        sizes = [crops for crops in ([views] if isinstance(views, Tensor) else views) if len(crops)]
        features = [self.backbone(normalise(crops.flatten(0, 1), self._mean, self._std)) for crops in sizes]
        return self.head(torch.cat(features)).unflatten(0, (-1, sizes[0].shape[1]))
