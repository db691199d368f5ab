"""Features of a network that was tuned on the cohort itself."""

import copy
from collections.abc import Sequence
from pathlib import Path

from torch import nn

from monai_minority.evaluation.features.extractor import FeatureExtractor
from monai_minority.networks.checkpoints import load_checkpoint
from monai_minority.networks.imagenet import IMAGENET_MEAN, IMAGENET_STD


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
