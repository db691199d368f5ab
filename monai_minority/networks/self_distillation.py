"""Self-distillation, or DINO (Caron et al., 2021): vision transformer, projection head, and the network of both."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from monai_minority.networks.imagenet import IMAGENET_MEAN, IMAGENET_STD, normalise


def vision_transformer(architecture: str = "vit_base_patch16_224", size: int = 224, **options: Any) -> nn.Module:
    """An untrained vision transformer of timm, from normalised images ``[B, 3, H, W]`` to the class token ``[B, D]``.

    Its position embedding is interpolated for images of another size, such as small crops.

    Args:
        architecture: name of the architecture in timm.
        size: side of the images in pixels.
        **options: options of the architecture, such as ``patch_size=8, embed_dim=192, depth=6, num_heads=3``.

    Raises:
        ValueError: if timm has no such architecture, or ``size`` is not a multiple of the patch size.

    Example:
        >>> import torch
        >>> from monai_minority.networks import vision_transformer
        >>> network = vision_transformer("vit_tiny_patch16_224", 32, patch_size=8, embed_dim=24, depth=1, num_heads=3)
        >>> network(torch.zeros(2, 3, 32, 32)).shape, network(torch.zeros(2, 3, 16, 16)).shape
        (torch.Size([2, 24]), torch.Size([2, 24]))
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
    """The projection head of self-distillation (Caron et al., ICCV 2021).

    A perceptron of three layers is followed by cosines with learned prototypes. The prototypes have unit length, as in
    the published code with ``norm_last_layer``. The head is discarded after training.

    Args:
        width: length of the features.
        prototypes: number of outputs. The paper uses 65,536. Small cohorts need fewer.
        hidden: width of the hidden layers.
        bottleneck: width of the layer before the prototypes.

    Example:
        >>> import torch
        >>> from monai_minority.networks import ProjectionHead
        >>> head = ProjectionHead(24, prototypes=16, hidden=32, bottleneck=8)
        >>> logits = head(torch.randn(2, 24))
        >>> logits.shape, bool((logits.abs() <= 1 + 1e-6).all())
        (torch.Size([2, 16]), True)
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
    """Student or teacher of self-distillation (Caron et al., ICCV 2021): backbone and head for crops of two sizes.

    Args:
        backbone: module from normalised images ``[B, 3, H, W]`` of either size to features ``[B, D]``, such as
            :func:`vision_transformer`.
        head: module from features to logits, such as :class:`ProjectionHead`.
        mean: mean per channel that is subtracted, for pixels in [0, 1].
        std: standard deviation per channel that is divided by, for pixels in [0, 1].

    Example:
        >>> import torch
        >>> from monai_minority.networks import ProjectionHead, SelfDistillationNetwork, vision_transformer
        >>> backbone = vision_transformer("vit_tiny_patch16_224", 32, patch_size=8, embed_dim=24, depth=1, num_heads=3)
        >>> student = SelfDistillationNetwork(backbone, ProjectionHead(24, prototypes=16, hidden=32, bottleneck=8))
        >>> large, small = torch.zeros(2, 4, 1, 32, 32), torch.zeros(6, 4, 1, 16, 16)  # 8 crops of each of 4 images
        >>> student([large, small]).shape
        torch.Size([8, 4, 16])
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
        """Logits of all crops.

        Args:
            views: crops ``[V, B, C, H, W]`` in [-1, 1], one tensor per size, large ones first, such as
                :class:`~monai_minority.transforms.Views`; or a single tensor of one size.

        Returns:
            ``[V, B, K]``. Crops of one size pass through the backbone together.
        """
        sizes = [crops for crops in ([views] if isinstance(views, Tensor) else views) if len(crops)]
        features = [self.backbone(normalise(crops.flatten(0, 1), self._mean, self._std)) for crops in sizes]
        return self.head(torch.cat(features)).unflatten(0, (-1, sizes[0].shape[1]))
