"""Inception features as in clean-fid, for Fréchet distances that are comparable with published ones."""

from pathlib import Path
from typing import Any

import torch
from cleanfid.inception_pytorch import FIDInceptionA, FIDInceptionC, FIDInceptionE_1, FIDInceptionE_2
from torch import Tensor, nn
from torchvision.models import inception_v3

from monai_minority.evaluation.features.extractor import FeatureExtractor, load_state
from monai_minority.evaluation.fidelity.resizing import CleanResize
from monai_minority.networks.weights import INCEPTION, INCEPTION_MAPS, State, check


class _CleanExtractor(FeatureExtractor):
    """Extractor with clean-fid's preprocessing: rounding to bytes, resizing to 299, ``(bytes - 128) / 128``."""

    def __init__(self, network: nn.Module, name: str) -> None:
        super().__init__(network, name=name, size=299)
        self._resize = CleanResize(299)
        self.resizing = self._resize.name
        self.normalisation = "(round(127.5 (x + 1)) - 128) / 128"

    def preprocess(self, x: Tensor) -> Tensor:
        """Resize and normalise images ``[B, 1 or 3, H, W]`` in [-1, 1] to ``[B, 3, 299, 299]``.

        Raises:
            ValueError: if the images have another shape.
        """
        if x.ndim != 4 or x.shape[1] not in (1, 3):
            raise ValueError(f"images must be [B, 1 or 3, H, W] in [-1, 1], got shape {tuple(x.shape)}")
        pixels = ((x.float() + 1) * 127.5).round().clamp(0, 255).expand(-1, 3, -1, -1)
        return (self._resize.tensor(pixels) - 128) / 128


class Inception(_CleanExtractor):
    """The 2,048 pooled Inception-v3 features of clean-fid's ``clean`` mode (Parmar et al., CVPR 2022).

    Args:
        weights: the TorchScript file ``inception-2015-12-05.pt``. ``None`` looks in torch's checkpoint folder.

    Raises:
        FileNotFoundError: if the file is missing. The message states where to fetch it and where to put it.
        ValueError: the file in torch's checkpoint folder has not the published SHA-256.

    Example:
        >>> from monai_minority.evaluation.features import Inception
        >>> Inception("inception-2015-12-05.pt")  # doctest: +ELLIPSIS
        Traceback (most recent call last):
        FileNotFoundError: weights: inception-2015-12-05.pt does not exist. Inception needs it: fetch https://...
    """

    def __init__(self, weights: str | Path | None = None) -> None:
        path = INCEPTION.find(weights)
        if weights is None and check(INCEPTION).state is State.DAMAGED:
            raise ValueError(f"weights: {path} is a program, and not the published one; fetch {INCEPTION.source} again")
        super().__init__(torch.jit.load(path, map_location="cpu"), name="Inception-v3 (clean-fid)")

    def forward(self, x: Tensor) -> Tensor:
        """Features ``[B, 2048]`` of images ``[B, 1 or 3, H, W]`` in [-1, 1]."""
        network: Any = self.network
        return network.layers(self.preprocess(x)).flatten(1)


class InceptionMaps(_CleanExtractor):
    """The ``mixed_6`` convolution maps of Inception-v3, for the spatial Fréchet distance (sFID; Nash et al., ICML
    2021).

    TensorFlow's ``mixed_6/conv`` is the 1 x 1 branch of torchvision's ``Mixed_6d``, after its ReLU.

    Args:
        weights: the state dict ``pt_inception-2015-12-05-6726825d.pth`` (TensorFlow's weights under torchvision's
            names). ``None`` looks in torch's checkpoint folder.
        channels: number of leading maps to keep. sFID compares 7.

    Raises:
        FileNotFoundError: if the file is missing. The message states where to fetch it and where to put it.
        ValueError: if the file holds other weights.

    Example:
        >>> from monai_minority.evaluation.features import InceptionMaps
        >>> InceptionMaps("pt_inception.pth")  # doctest: +ELLIPSIS
        Traceback (most recent call last):
        FileNotFoundError: weights: pt_inception.pth does not exist. InceptionMaps needs it: fetch https://...
    """

    def __init__(self, weights: str | Path | None = None, channels: int = 7) -> None:
        path = INCEPTION_MAPS.find(weights)
        with torch.device("meta"):
            network = fid_inception()
        super().__init__(load_state(network, path, "the Inception network of FID"), name="Inception-v3 mixed_6/conv")
        self.channels = channels

    def forward(self, x: Tensor) -> Tensor:
        """Maps ``[B, channels, 17, 17]`` of images ``[B, 1 or 3, H, W]`` in [-1, 1]."""
        net: Any = self.network
        x = self.preprocess(x)
        before = [
            net.Conv2d_1a_3x3, net.Conv2d_2a_3x3, net.Conv2d_2b_3x3, net.maxpool1, net.Conv2d_3b_1x1,
            net.Conv2d_4a_3x3, net.maxpool2, net.Mixed_5b, net.Mixed_5c, net.Mixed_5d, net.Mixed_6a,
            net.Mixed_6b, net.Mixed_6c, net.Mixed_6d.branch1x1,
        ]  # fmt: skip
        for layer in before:
            x = layer(x)
        return x[:, : self.channels]


def published_spaces() -> list[FeatureExtractor]:
    """The spaces of FID and spatial FID whose weights are on this machine. Nothing is fetched.

    Example:
        >>> from monai_minority.evaluation.features import Inception, InceptionMaps, published_spaces
        >>> all(isinstance(space, Inception | InceptionMaps) for space in published_spaces())
        True
    """
    needed = ((INCEPTION, Inception), (INCEPTION_MAPS, InceptionMaps))
    return [space() for weights, space in needed if weights.path.is_file()]


def fid_inception() -> nn.Module:
    """Inception-v3 with the pooling of TensorFlow's graph of 2015, without trained weights."""
    network = inception_v3(num_classes=1008, aux_logits=False, init_weights=False, transform_input=False)
    network.Mixed_5b = FIDInceptionA(192, pool_features=32)
    network.Mixed_5c = FIDInceptionA(256, pool_features=64)
    network.Mixed_5d = FIDInceptionA(288, pool_features=64)
    for name, width in (("Mixed_6b", 128), ("Mixed_6c", 160), ("Mixed_6d", 160), ("Mixed_6e", 192)):
        setattr(network, name, FIDInceptionC(768, channels_7x7=width))
    network.Mixed_7b = FIDInceptionE_1(1280)
    network.Mixed_7c = FIDInceptionE_2(2048)
    return network
