"""What is measured: the networks of the bundle at the size of a store's images."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from monai_minority.data import ImageStore
from monai_minority.networks import BackboneClassifier
from monai_minority.run.bundle import Bundle, merged

BRAIN_MRI = Path(__file__).resolve().parents[2] / "bundles" / "brain_mri"


@dataclass(frozen=True)
class Settings:
    """How much work one timed call is.

    Attributes:
        overlay: overlay of the bundle whose networks are taken; ``None`` for ``common.yaml`` alone.
        batch: images of a batch.
        steps: training steps, and
        sampling_steps: steps of the respaced chain.
        draws: of the minority score.
        volumes: number of volumes, and
        volume_shape: their voxels.
        vectors: feature vectors, real ones and as many generated, and
        dimension: their length.
        features: whether to score in the features of a network too.
    """

    overlay: str | None = "phantom"
    batch: int = 32
    steps: int = 4
    sampling_steps: int = 10
    draws: int = 4
    volumes: int = 6
    volume_shape: tuple[int, int, int] = (91, 109, 91)
    vectors: int = 2000
    dimension: int = 2048
    features: bool = True


QUICK = Settings("smoke", 8, 2, 3, 2, 2, (40, 48, 40), 200, 64, False)


class Networks:
    """Pieces of the ``brain_mri`` bundle, with seeded random weights: speed does not depend on them.

    Args:
        overlay: merged into ``common.yaml``.
        store: whose images decide the size of the networks.
        device: where they go.
    """

    def __init__(self, overlay: str | None, store: ImageStore, device: torch.device) -> None:
        bundle = Bundle(BRAIN_MRI)
        parser = merged([*bundle.common(), *bundle.layers([overlay] if overlay else [])])
        parser["backbone"] = "@network_def"  # speed does not depend on the weights, nor much on the number of classes
        if parser["num_classes"] == "auto":
            parser["num_classes"] = 10
        channels, height, _ = store.image_shape
        parser["image_size"] = height
        for name in ("network_def", "classifier_def"):
            if "factor" in parser[name]:
                parser[name]["network"]["in_channels"] = channels * parser[name]["factor"] ** 2
        if "factor" in parser["network_def"]:
            parser["network_def"]["network"]["out_channels"] = channels * parser["network_def"]["factor"] ** 2
        self._parser, self._device = parser, device
        self.num_classes: int = parser["num_classes"]
        self.scheduler = self.get("scheduler")

    def network(self) -> nn.Module:
        """The backbone."""
        return self._seeded("network_def")

    def classifier(self, backbone: nn.Module | None = None) -> nn.Module:
        """The minority classifier; with the encoder of a backbone as it is where one is given."""
        if backbone is not None:
            return BackboneClassifier(backbone, self.num_classes).to(self._device)
        return self._seeded("classifier_def")

    def get(self, name: str) -> Any:
        """A part, made anew."""
        return self._parser.get_parsed_content(name, instantiate=True)

    def _seeded(self, name: str) -> nn.Module:
        with torch.random.fork_rng():
            torch.manual_seed(0)
            network: nn.Module = self.get(name)
            with torch.no_grad():
                for parameter in network.parameters():
                    parameter.add_(0.01 * torch.randn_like(parameter))  # none stays 0, as in a trained network
        return network.to(self._device)
