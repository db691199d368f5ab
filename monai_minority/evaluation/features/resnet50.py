"""ResNet-50 features, trained on ImageNet or random."""

from pathlib import Path

import torch
from torch import nn
from torchvision.models import resnet50

from monai_minority.evaluation.features.extractor import FeatureExtractor, load_state
from monai_minority.evaluation.features.initialisation import initialise
from monai_minority.networks.weights import RESNET50


class ResNet50(FeatureExtractor):
    """The 2,048 pooled features of torchvision's ResNet-50 (He et al., 2016) trained on ImageNet.

    Args:
        weights: torchvision's state dict file; ``None`` looks for ``resnet50-0676ba61.pth`` (its
            ``IMAGENET1K_V1``, the original recipe) in torch's checkpoint folder.

    Raises:
        FileNotFoundError: the file is absent; the message says where to fetch it and where to put it.
        ValueError: the file holds something else.
    """

    def __init__(self, weights: str | Path | None = None) -> None:
        path = RESNET50.find(weights)
        with torch.device("meta"):
            network = resnet50()
        network.fc = nn.Identity()
        super().__init__(
            load_state(network, path, "torchvision's ResNet-50", ignore=("fc.",)), name="ResNet-50 (ImageNet)"
        )


class RandomResNet50(FeatureExtractor):
    """The 2,048 pooled features of an untrained ResNet-50: a space that favours no kind of image.

    The paper uses it for MRI. Initialisation as in :func:`~.initialisation.initialise`; batch normalisation
    does nothing.

    Args:
        seed: of the weights.
    """

    def __init__(self, seed: int = 0) -> None:
        with torch.device("meta"):
            network = resnet50()
        network.fc = nn.Identity()
        super().__init__(initialise(network, seed), name=f"random ResNet-50 (He normal, seed {seed})")
