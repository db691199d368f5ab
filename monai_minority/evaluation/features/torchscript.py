"""TorchScript files as feature spaces."""

import hashlib
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from monai_minority.evaluation.features.extractor import FeatureExtractor
from monai_minority.networks.imagenet import IMAGENET_MEAN, IMAGENET_STD


class TorchScriptFeatures(FeatureExtractor):
    """Features of a network that was saved by ``torch.jit.save``.

    A TorchScript file contains code that torch's interpreter runs. Use only files that you trust.

    Args:
        path: the file. Its ``forward`` takes normalised images ``[B, 3, size, size]``.
        size: side in pixels that images are resized to. ``None`` does not resize.
        mean: mean per channel, for pixels in [0, 1]. ``(0.5,) * 3`` with the same ``std`` keeps [-1, 1].
        std: standard deviation per channel, for pixels in [0, 1].

    Raises:
        FileNotFoundError: if the file is missing.
        ValueError: if the file is not TorchScript.

    Example:
        >>> import tempfile
        >>> import torch
        >>> from monai_minority.evaluation.features import TorchScriptFeatures
        >>> network = torch.nn.AdaptiveAvgPool2d(2)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     torch.jit.trace(network, torch.zeros(1, 3, 8, 8)).save(f"{folder}/network.pt")
        ...     extractor = TorchScriptFeatures(f"{folder}/network.pt", size=8)
        >>> extractor(torch.zeros(2, 1, 16, 16)).shape
        torch.Size([2, 12])
    """

    def __init__(
        self,
        path: str | Path,
        size: int | None = 224,
        mean: Sequence[float] = IMAGENET_MEAN,
        std: Sequence[float] = IMAGENET_STD,
    ) -> None:
        path = Path(path)
        if not path.is_file():
            raise FileNotFoundError(f"path: {path} does not exist; give a file written by torch.jit.save")
        try:
            network = torch.jit.load(path, map_location="cpu")
        except RuntimeError as error:
            raise ValueError(f"path: {path} is no TorchScript file: {str(error).splitlines()[0]}") from error
        # The state alone would not tell two programs with the same weights apart.
        digest = hashlib.sha256(path.read_bytes()).hexdigest()[:16]
        super().__init__(network, name=f"TorchScript {path.name} ({digest})", size=size, mean=mean, std=std)

    def forward(self, x: Tensor) -> Tensor:
        """Features ``[B, D]`` of images ``[B, 1 or 3, H, W]`` in [-1, 1]. Maps are flattened."""
        return self.network(self.preprocess(x)).flatten(1)
