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
    """The class token of a vision transformer trained by self-distillation (Caron et al., 2021).

    Args:
        weights: file of the backbone's state dict, the published one or one tuned on the cohort; ``None``
            looks for the published file in torch's checkpoint folder.
        architecture: timm's name of the transformer.
        size: side in pixels that images are resized to, which must be the architecture's.
        name: name in results; by default tells the architecture and the file.

    Raises:
        FileNotFoundError: the file is absent; the message says where to fetch it and where to put it.
        ValueError: the file holds something else, or nothing is published for ``architecture`` and no file is
            given.
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
    """The class token of a transformer, or another network's features, that the stage ``train_dino`` trained (Caron et
    al., 2021).

    Args:
        network: it, built as it was for training. A copy of it gets the file's weights.
        weights: file of its state dict, ``dino/model.pt`` of a run.
        size: side in pixels that images are resized to, which must be that of training.
        name: name in results.
        mean: of each channel, as in training.
        std: of each channel, as in training.

    Raises:
        FileNotFoundError: the file is absent.
        ValueError: the file holds something else.
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
