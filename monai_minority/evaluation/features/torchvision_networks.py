"""Networks of torchvision as feature spaces: ResNet-50, trained on ImageNet or random, and random VGG-16."""

from pathlib import Path

import torch
from torch import nn
from torchvision.models import resnet50, vgg16

from monai_minority.evaluation.features.extractor import FeatureExtractor, load_state
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

    The paper uses it for MRI. Initialisation as in :func:`initialise`; batch normalisation
    does nothing.

    Args:
        seed: of the weights.
    """

    def __init__(self, seed: int = 0) -> None:
        with torch.device("meta"):
            network = resnet50()
        network.fc = nn.Identity()
        super().__init__(initialise(network, seed), name=f"random ResNet-50 (He normal, seed {seed})")


class RandomVGG16(FeatureExtractor):
    """The 4,096 features of an untrained VGG-16 (Simonyan & Zisserman, 2015) after its second fully connected
    layer.

    Initialisation as in :func:`initialise`. About 540 MB of weights.

    Args:
        seed: of the weights.
    """

    def __init__(self, seed: int = 0) -> None:
        with torch.device("meta"):
            network = vgg16()
        network.classifier = network.classifier[:5]  # without dropout and the ImageNet classifier
        super().__init__(initialise(network, seed), name=f"random VGG-16 fc2 (He normal, seed {seed})")


def initialise(network: nn.Module, seed: int) -> nn.Module:
    """Give a network on the meta device random weights, on the CPU.

    Weights of convolutions and linear layers are normal with variance ``2 / fan_in`` (He et al., 2015), which
    keeps the scale of activations through ReLUs; biases are 0; normalisation layers are the identity (weight
    1, bias 0, running mean 0, variance 1). Layers draw in the order of ``named_modules`` from one CPU
    generator.

    Args:
        network: convolutional network.
        seed: of the generator.

    Returns:
        The network.

    Raises:
        ValueError: a layer with weights is of another kind.
    """
    generator = torch.Generator().manual_seed(seed)
    network = network.to_empty(device="cpu")
    with torch.no_grad():
        for name, module in network.named_modules():
            if isinstance(module, nn.Conv2d | nn.Linear):
                nn.init.kaiming_normal_(module.weight, nonlinearity="relu", generator=generator)
                if module.bias is not None:
                    module.bias.zero_()
            elif isinstance(module, nn.BatchNorm2d):
                module.reset_parameters()
            elif next(module.parameters(recurse=False), None) is not None:
                raise ValueError(f"cannot initialise layer {name!r} of type {type(module).__name__}")
    return network
