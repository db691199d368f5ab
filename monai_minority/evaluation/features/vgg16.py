"""Random VGG-16 features."""

import torch
from torchvision.models import vgg16

from monai_minority.evaluation.features.extractor import FeatureExtractor
from monai_minority.evaluation.features.initialisation import initialise


class RandomVGG16(FeatureExtractor):
    """The 4,096 features of an untrained VGG-16 (Simonyan & Zisserman, 2015) after its second fully connected
    layer.

    Initialisation as in :func:`~.initialisation.initialise`. About 540 MB of weights.

    Args:
        seed: of the weights.
    """

    def __init__(self, seed: int = 0) -> None:
        with torch.device("meta"):
            network = vgg16()
        network.classifier = network.classifier[:5]  # without dropout and the ImageNet classifier
        super().__init__(initialise(network, seed), name=f"random VGG-16 fc2 (He normal, seed {seed})")
