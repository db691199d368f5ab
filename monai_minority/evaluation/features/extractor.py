"""The base class of feature extractors, and the description and fingerprint of an extractor."""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

from monai_minority.networks.imagenet import IMAGENET_MEAN, IMAGENET_STD, normalise


class FeatureExtractor(nn.Module):
    """A frozen network from images in [-1, 1] to features, always in evaluation mode. It resizes and normalises the
    images.

    Args:
        network: module from normalised images ``[B, 3, size, size]`` to features ``[B, D]``.
        name: name in results.
        size: side in pixels that images are resized to (bicubic, antialiased). ``None`` does not resize.
        mean: mean per channel that is subtracted, for pixels in [0, 1].
        std: standard deviation per channel that is divided by, for pixels in [0, 1].

    Attributes:
        name: name in results.
        resizing: how images are resized, in words.
        normalisation: what the network receives, as a formula in ``x`` in [-1, 1].

    Example:
        >>> import torch
        >>> from monai_minority.evaluation.features import FeatureExtractor
        >>> extractor = FeatureExtractor(torch.nn.Flatten(), name="pixels", size=4)
        >>> extractor(torch.zeros(2, 1, 16, 16)).shape
        torch.Size([2, 48])
        >>> extractor.resizing
        'bicubic, antialiased, to 4 x 4'
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
        """Stay in evaluation mode. Batch statistics would make the features of an image depend on its batch."""
        return super().train(False)

    def preprocess(self, x: Tensor) -> Tensor:
        """Resize and normalise images ``[B, 1 or 3, H, W]`` in [-1, 1] to ``[B, 3, size, size]``.

        Raises:
            ValueError: if the images have another shape.
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
    """Name, resizing, normalisation and SHA-256 of the weights of an extractor, as results record them.

    Any module is accepted. A missing name is replaced by the class, and other missing entries by ``"unnamed"``.

    Example:
        >>> from monai_minority.evaluation.features import Thumbnail, describe_extractor
        >>> description = describe_extractor(Thumbnail(8))
        >>> description["extractor"], description["normalisation"]
        ('thumbnail of 8 x 8 pixels', 'none, x in [-1, 1]')
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
    """SHA-256 of a description by :func:`describe_extractor`. It is equal for extractors that give equal features.

    Example:
        >>> from monai_minority.evaluation.features import Thumbnail, describe_extractor, fingerprint
        >>> eight, sixteen = (fingerprint(describe_extractor(Thumbnail(size))) for size in (8, 16))
        >>> len(eight), eight == sixteen
        (64, False)
    """
    return hashlib.sha256(json.dumps(description, sort_keys=True).encode()).hexdigest()


def load_state(network: nn.Module, path: Path, what: str, ignore: Sequence[str] = ()) -> nn.Module:
    """Load a state dict, without executing code, into a network on the meta device.

    Args:
        network: the network.
        path: file with a state dict.
        what: what the file should hold, for the message.
        ignore: prefixes of keys to leave out, such as those of a classifier.

    Raises:
        ValueError: if keys are missing, unknown or of another shape.
    """
    state = torch.load(path, map_location="cpu", weights_only=True)
    state = {key: value for key, value in state.items() if not key.startswith(tuple(ignore))}
    try:
        network.load_state_dict(state, assign=True)
    except RuntimeError as error:
        raise ValueError(f"weights: {path} does not hold {what}: {str(error)[:300]}") from error
    return network
