"""Self-distillation (DINO): the vision transformer, the projection head, and the network of both."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from monai_minority.networks.imagenet import IMAGENET_MEAN, IMAGENET_STD, normalise


def vision_transformer(architecture: str = "vit_base_patch16_224", size: int = 224, **options: Any) -> nn.Module:
    """A backbone with timm's untrained weights, from normalised images ``[B, 3, H, W]`` to its class token ``[B, D]``.

    Its position embedding belongs to ``size`` and is interpolated for images of another size, such as small crops.

    Args:
        architecture: timm's name.
        size: side of its images in pixels.
        options: of the architecture, such as ``patch_size=8, embed_dim=192, depth=6, num_heads=3``.

    Raises:
        ValueError: timm has no such architecture, or ``size`` is no multiple of its patches' side.
    """
    import timm  # here: it takes seconds to import, and few who import the room build this network

    if not architecture.startswith("vit_") or architecture not in timm.list_models("vit_*"):
        raise ValueError(
            f"architecture must be one of timm's vision transformers, like vit_base_patch16_224, got {architecture!r}"
        )
    network: nn.Module = timm.create_model(
        architecture, pretrained=False, num_classes=0, img_size=size, dynamic_img_size=True, **options
    )
    patch: int = network.patch_embed.patch_size[0]  # type: ignore[union-attr, index, assignment]
    if size % patch:
        raise ValueError(f"size must be a multiple of the {patch} pixels of a patch, got {size}")
    return network


class ProjectionHead(nn.Module):
    """From features to a logit a prototype (Caron et al., 2021).

    A perceptron of three layers, then cosines of its unit-length output with the prototypes. The prototypes' length is
    1, as in the published code's ``norm_last_layer``.

    Args:
        width: of the features.
        prototypes: number of outputs; 65,536 in the paper, fewer for small cohorts.
        hidden: width of the hidden layers.
        bottleneck: width before the prototypes.
    """

    def __init__(self, width: int, prototypes: int = 65536, hidden: int = 2048, bottleneck: int = 256) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(width, hidden), nn.GELU(), nn.Linear(hidden, hidden), nn.GELU(), nn.Linear(hidden, bottleneck)
        )
        for layer in self.layers:
            if isinstance(layer, nn.Linear):
                nn.init.trunc_normal_(layer.weight, std=0.02)
                nn.init.zeros_(layer.bias)
        self.prototypes = nn.Parameter(torch.randn(prototypes, bottleneck))

    def forward(self, features: Tensor) -> Tensor:
        """Logits ``[B, prototypes]`` in [-1, 1] of features ``[B, width]``."""
        projected = functional.normalize(self.layers(features), dim=-1)
        return functional.linear(projected, functional.normalize(self.prototypes, dim=-1))


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
