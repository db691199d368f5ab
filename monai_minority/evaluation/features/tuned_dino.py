"""Features of a vision transformer that was tuned on the cohort itself."""

import copy
from pathlib import Path

from torch import nn

from monai_minority.evaluation.features.extractor import FeatureExtractor
from monai_minority.networks.checkpoints import load_checkpoint


class TunedDINO(FeatureExtractor):
    """The class token of a transformer that the stage ``train_dino`` trained (Caron et al., 2021).

    Args:
        network: the transformer, built as it was for training. A copy of it gets the file's weights.
        weights: file of its state dict, ``dino/model.pt`` of a run.
        size: side in pixels that images are resized to, which must be that of training.
        name: name in results.

    Raises:
        FileNotFoundError: the file is absent.
        ValueError: the file holds something else.
    """

    def __init__(
        self, network: nn.Module, weights: str | Path, size: int, name: str = "DINO tuned on the cohort"
    ) -> None:
        if not Path(weights).is_file():
            raise FileNotFoundError(f"weights: {weights} does not exist; run the stage train_dino, which writes it")
        super().__init__(load_checkpoint(copy.deepcopy(network), weights), name=name, size=size)
