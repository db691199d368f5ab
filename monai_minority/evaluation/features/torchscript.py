"""Any TorchScript file as a feature space."""

import hashlib
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from monai_minority.evaluation.features.extractor import FeatureExtractor
from monai_minority.networks.imagenet import IMAGENET_MEAN, IMAGENET_STD


class TorchScriptFeatures(FeatureExtractor):
    """Features of a network saved by ``torch.jit.save``.

    A TorchScript file brings its own code, which torch's interpreter runs; use files you trust.

    Args:
        path: the file. Its ``forward`` takes normalised images ``[B, 3, size, size]``.
        size: side in pixels that images are resized to; ``None`` leaves them as they are.
        mean: of each channel on the scale of [0, 1]; ``(0.5,) * 3`` with the same ``std`` keeps [-1, 1].
        std: of each channel on the scale of [0, 1].

    Raises:
        FileNotFoundError: the file is absent.
        ValueError: the file is no TorchScript.
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
        """Features ``[B, D]`` of images ``[B, 1 or 3, H, W]`` in [-1, 1]; maps are flattened."""
        return self.network(self.preprocess(x)).flatten(1)
