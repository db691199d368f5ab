"""EfficientNet-Lite0 to go on training: a backbone whose ImageNet weights need no download."""

from pathlib import Path

from torch import nn

from monai_minority.networks.efficientnet_lite import pretrained_efficientnet


def tunable_efficientnet(weights: str | Path | None = None) -> nn.Module:
    """EfficientNet-Lite0 with its ImageNet weights, to be trained further.

    It takes normalised images ``[B, 3, H, W]`` (mean 127 / 255 and standard deviation 128 / 255 of each channel, on the
    scale of [0, 1]) and gives pooled features ``[B, 1280]``.

    Its batch normalisation keeps the statistics and scales of ImageNet: those of a few crops are no better, and of
    crops of two sizes there would be two.

    Args:
        weights: as :class:`EfficientNetLite0` takes them.

    Raises:
        FileNotFoundError: the weights are not there.
        ValueError: the file does not hold this network's weights.
    """
    from timm.utils.model import freeze_batch_norm_2d  # here: it takes seconds to import

    network = pretrained_efficientnet(weights)
    network.reset_classifier(0)
    frozen: nn.Module = freeze_batch_norm_2d(network)
    return frozen
