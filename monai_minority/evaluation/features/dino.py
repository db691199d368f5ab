"""DINO features: of published vision transformers, and of networks tuned on the cohort."""

import copy
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import nn

from monai_minority.evaluation.features.extractor import FeatureExtractor, load_state
from monai_minority.networks.checkpoints import load_checkpoint
from monai_minority.networks.imagenet import IMAGENET_MEAN, IMAGENET_STD
from monai_minority.networks.self_distillation import vision_transformer
from monai_minority.networks.weights import DINO as PUBLISHED
from monai_minority.networks.weights import WeightsFile


class DINO(FeatureExtractor):
    """The class token of a vision transformer trained by self-distillation (Caron et al., ICCV 2021).

    Args:
        weights: file with the state dict of the backbone, published or tuned on the cohort. ``None`` looks for the
            published file in torch's checkpoint folder.
        architecture: name of the transformer in timm.
        size: side in pixels that images are resized to. It must fit the architecture.
        name: name in results. ``None`` uses the names of architecture and file.

    Raises:
        FileNotFoundError: if the file is missing. The message states where to fetch it and where to put it.
        ValueError: if the file holds other weights, or no file is given for an architecture without published weights.

    Example:
        >>> import tempfile
        >>> import torch
        >>> from monai_minority.evaluation.features import DINO
        >>> from monai_minority.networks import save_weights, vision_transformer
        >>> network = vision_transformer("vit_tiny_patch16_224", 32)  # untrained, in place of a published backbone
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     save_weights(network, f"{folder}/dino.pth")
        ...     extractor = DINO(f"{folder}/dino.pth", "vit_tiny_patch16_224", size=32)
        >>> extractor.name, extractor(torch.zeros(2, 1, 40, 40)).shape
        ('DINO vit_tiny_patch16_224 (dino.pth)', torch.Size([2, 192]))
    """

    def __init__(
        self,
        weights: str | Path | None = None,
        architecture: str = "vit_base_patch16_224",
        size: int = 224,
        name: str | None = None,
    ) -> None:
        if weights is None and architecture not in PUBLISHED:
            raise ValueError(
                f"weights must be given for {architecture!r}; published ones exist for {', '.join(PUBLISHED)}"
            )
        published = PUBLISHED.get(architecture, WeightsFile("dino", f'DINO("{architecture}")', "a backbone's weights"))
        path = published.find(weights)
        with torch.device("meta"):
            network = vision_transformer(architecture, size)
        super().__init__(
            load_state(network, path, f"a backbone {architecture}", ignore=("head.",)),
            name=name or f"DINO {architecture} ({path.name})",
            size=size,
        )


class TunedDINO(FeatureExtractor):
    """Features of a network that the stage ``train_dino`` has trained on the cohort by self-distillation (Caron et al.,
    ICCV 2021).

    Args:
        network: the network, built as for training. A copy of it receives the weights.
        weights: file with its state dict, ``dino/model.pt`` of a run.
        size: side in pixels that images are resized to, as in training.
        name: name in results.
        mean: mean per channel for pixels in [0, 1], as in training.
        std: standard deviation per channel for pixels in [0, 1], as in training.

    Raises:
        FileNotFoundError: if the file is missing.
        ValueError: if the file holds other weights.

    Example:
        >>> import tempfile
        >>> import torch
        >>> from monai_minority.evaluation.features import TunedDINO
        >>> from monai_minority.networks import save_weights, vision_transformer
        >>> network = vision_transformer("vit_tiny_patch16_224", 32, embed_dim=24, depth=1)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     save_weights(network, f"{folder}/model.pt")
        ...     extractor = TunedDINO(network, f"{folder}/model.pt", size=32)
        >>> extractor(torch.zeros(2, 1, 40, 40)).shape
        torch.Size([2, 24])
    """

    def __init__(
        self,
        network: nn.Module,
        weights: str | Path,
        size: int,
        name: str = "DINO tuned on the cohort",
        mean: Sequence[float] = IMAGENET_MEAN,
        std: Sequence[float] = IMAGENET_STD,
    ) -> None:
        if not Path(weights).is_file():
            raise FileNotFoundError(f"weights: {weights} does not exist; run the stage train_dino, which writes it")
        super().__init__(load_checkpoint(copy.deepcopy(network), weights), name=name, size=size, mean=mean, std=std)
