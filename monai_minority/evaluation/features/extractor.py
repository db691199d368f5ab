"""What every feature extractor is: a frozen network that owns its resizing and normalisation and names
both."""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

from monai_minority.networks.imagenet import IMAGENET_MEAN, IMAGENET_STD, normalise


class FeatureExtractor(nn.Module):
    """A frozen network from images in [-1, 1] to feature vectors, always in evaluation mode.

    Args:
        network: module from normalised images ``[B, 3, size, size]`` to features ``[B, D]``.
        name: name in results.
        size: side in pixels that images are resized to (bicubic, antialiased); ``None`` leaves them as they
            are.
        mean: of each channel, on the scale of [0, 1]; subtracted.
        std: of each channel, on the scale of [0, 1]; divided by.

    Attributes:
        name: what results call it.
        resizing: how images are brought to size, in words.
        normalisation: what the network receives, in words, in terms of ``x`` in [-1, 1].
    """

    def __init__(
        self,
        network: nn.Module,
        *,
        name: str,
        size: int | None = 224,
        mean: Sequence[float] = IMAGENET_MEAN,
        std: Sequence[float] = IMAGENET_STD,
    ) -> None:
        super().__init__()
        self.network = network
        self.name = name
        self.size = size
        self.resizing = "none" if size is None else f"bicubic, antialiased, to {size} x {size}"
        self.normalisation = f"((x + 1) / 2 - {tuple(mean)}) / {tuple(std)}"
        # Not buffers: they are named in the normalisation, and a TorchScript file has its own state.
        self._mean, self._std = tuple(mean), tuple(std)
        self.requires_grad_(False)
        self.eval()

    def train(self, mode: bool = True) -> "FeatureExtractor":
        """Stay in evaluation mode: batch statistics would tie an image's features to its neighbours."""
        return super().train(False)

    def preprocess(self, x: Tensor) -> Tensor:
        """Bring images ``[B, 1 or 3, H, W]`` in [-1, 1] to what the network takes, ``[B, 3, size, size]``.

        Raises:
            ValueError: the images have another shape.
        """
        if x.ndim != 4 or x.shape[1] not in (1, 3):
            raise ValueError(f"images must be [B, 1 or 3, H, W] in [-1, 1], got shape {tuple(x.shape)}")
        if self.size is not None and x.shape[-2:] != (self.size, self.size):
            x = functional.interpolate(x, size=(self.size, self.size), mode="bicubic", antialias=True)
        return normalise(x, self._mean, self._std)

    def forward(self, x: Tensor) -> Tensor:
        """Features ``[B, D]`` of images ``[B, 1 or 3, H, W]`` in [-1, 1]."""
        return self.network(self.preprocess(x))


def describe_extractor(extractor: nn.Module) -> dict[str, str]:
    """Name, resizing, normalisation and SHA-256 of the weights of an extractor, as every result carries them.

    Any module will do; what it does not say about itself is given as ``"unnamed"`` or its class.
    """
    digest = hashlib.sha256()
    state = extractor.state_dict()
    for key in sorted(state):
        value = state[key]
        digest.update(f"{key} {value.dtype} {tuple(value.shape)}".encode())
        digest.update(value.detach().cpu().contiguous().flatten().view(torch.uint8).numpy())
    return {
        "extractor": str(getattr(extractor, "name", type(extractor).__name__)),
        "resizing": str(getattr(extractor, "resizing", "unnamed")),
        "normalisation": str(getattr(extractor, "normalisation", "unnamed")),
        "weights_sha256": digest.hexdigest(),
    }


def fingerprint(description: dict[str, str]) -> str:
    """SHA-256 of :func:`describe_extractor`'s answer: equal for extractors that give equal features."""
    return hashlib.sha256(json.dumps(description, sort_keys=True).encode()).hexdigest()


def load_state(network: nn.Module, path: Path, what: str, ignore: Sequence[str] = ()) -> nn.Module:
    """Load a state dict, read without executing code, into a network built on the meta device.

    Args:
        network: the network.
        path: file of a state dict.
        what: what the file should hold, for the message.
        ignore: prefixes of keys that the network leaves out, such as a classifier's.

    Raises:
        ValueError: keys are missing, unknown or of another shape.
    """
    state = torch.load(path, map_location="cpu", weights_only=True)
    state = {key: value for key, value in state.items() if not key.startswith(tuple(ignore))}
    try:
        network.load_state_dict(state, assign=True)
    except RuntimeError as error:
        raise ValueError(f"weights: {path} does not hold {what}: {str(error)[:300]}") from error
    return network
