"""DINO vision transformer features."""

from pathlib import Path

import torch

from monai_minority.evaluation.features.extractor import FeatureExtractor, load_state
from monai_minority.networks.vision_transformer import vision_transformer
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
