"""Networks of torchvision as feature spaces: ResNet-50 with ImageNet or random weights, and random VGG-16."""

from pathlib import Path

import torch
from torch import nn
from torchvision.models import resnet50, vgg16

from monai_minority.evaluation.features.extractor import FeatureExtractor, load_state
from monai_minority.networks.weights import RESNET50


class ResNet50(FeatureExtractor):
    """The 2,048 pooled features of torchvision's ResNet-50 (He et al., 2016), trained on ImageNet.

    Args:
        weights: state dict file of torchvision. ``None`` looks for ``resnet50-0676ba61.pth`` (``IMAGENET1K_V1``, the
            original recipe) in torch's checkpoint folder.

    Raises:
        FileNotFoundError: if the file is missing. The message states where to fetch it and where to put it.
        ValueError: if the file holds other weights.

    Example:
        >>> from monai_minority.evaluation.features import ResNet50
        >>> ResNet50("resnet50.pth")  # doctest: +ELLIPSIS
        Traceback (most recent call last):
        FileNotFoundError: weights: resnet50.pth does not exist. ResNet50 needs it: fetch https://...
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
    """The 2,048 pooled features of an untrained ResNet-50, a space without preference for a kind of image.

    Um et al. (2024) use it for MRI. Weights are those of :func:`initialise`. Batch normalisation is the identity.

    Args:
        seed: seed of the weights.

    Example:
        >>> import torch
        >>> from monai_minority.evaluation.features import RandomResNet50
        >>> extractor = RandomResNet50(seed=0)
        >>> extractor.name, extractor(torch.zeros(1, 1, 32, 32)).shape
        ('random ResNet-50 (He normal, seed 0)', torch.Size([1, 2048]))
    """

    def __init__(self, seed: int = 0) -> None:
        with torch.device("meta"):
            network = resnet50()
        network.fc = nn.Identity()
        super().__init__(initialise(network, seed), name=f"random ResNet-50 (He normal, seed {seed})")


class RandomVGG16(FeatureExtractor):
    """The 4,096 features of an untrained VGG-16 (Simonyan and Zisserman, 2015) after its second fully connected layer.

    Weights are those of :func:`initialise` and take about 540 MB.

    Args:
        seed: seed of the weights.

    Example:
        >>> from monai_minority.evaluation.features import RandomVGG16
        >>> extractor = RandomVGG16(seed=0)
        >>> extractor.name, extractor.resizing
        ('random VGG-16 fc2 (He normal, seed 0)', 'bicubic, antialiased, to 224 x 224')
    """

    def __init__(self, seed: int = 0) -> None:
        with torch.device("meta"):
            network = vgg16()
        network.classifier = network.classifier[:5]  # without dropout and the ImageNet classifier
        super().__init__(initialise(network, seed), name=f"random VGG-16 fc2 (He normal, seed {seed})")


def initialise(network: nn.Module, seed: int) -> nn.Module:
    """Give a network on the meta device seeded random weights that are the same on every machine, on the CPU.

    Weights of convolutions and linear layers are normal with variance ``2 / fan_in`` (He et al., 2015), which keeps the
    scale of activations through ReLUs. Biases are 0. Normalisation layers are the identity (weight 1, bias 0, running
    mean 0, variance 1). Layers draw in the order of ``named_modules`` from one CPU generator.

    Args:
        network: convolutional network.
        seed: seed of the generator.

    Returns:
        The network.

    Raises:
        ValueError: if another kind of layer has weights.

    Example:
        >>> import torch
        >>> from monai_minority.evaluation.features import initialise
        >>> with torch.device("meta"):
        ...     first, second = torch.nn.Conv2d(3, 8, 3), torch.nn.Conv2d(3, 8, 3)
        >>> bool((initialise(first, seed=1).weight == initialise(second, seed=1).weight).all())
        True
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
