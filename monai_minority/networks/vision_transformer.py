"""Vision transformers of timm, as self-distillation trains them and feature spaces use them."""

from typing import Any

from torch import nn


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
