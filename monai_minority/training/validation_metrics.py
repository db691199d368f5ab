"""What is measured of a network while it is trained, as ignite's metrics."""

from operator import itemgetter
from typing import Any

import torch
from ignite.metrics import Loss
from monai.handlers import MeanDice
from torch import Tensor

from monai_minority.training.noising import DenoisingTargets


class ValidationLoss(Loss):
    """The mean of a training loss over the validation images.

    Args:
        loss: from outputs and targets to one value, or one an image.
    """

    def __init__(self, loss: Any) -> None:
        super().__init__(
            lambda prediction, targets: loss(prediction, targets).mean(),
            output_transform=itemgetter("pred", "label"),
            batch_size=_images,
        )


class ReconstructionError(Loss):
    """Mean absolute error of an autoencoder over the pixels of [-1, 1]; ignite's own sums over them."""

    def __init__(self) -> None:
        super().__init__(torch.nn.functional.l1_loss, output_transform=_reconstructed)


class MaskDice(MeanDice):
    """Dice of a mask, which is where the network's output is positive."""

    def __init__(self) -> None:
        super().__init__(include_background=True, output_transform=_masked)


def _images(targets: Any) -> int:
    return len(targets.images if isinstance(targets, DenoisingTargets) else targets)


def _reconstructed(output: dict[str, Any]) -> tuple[Tensor, Tensor]:
    return output["pred"].images.float(), output["label"]


def _masked(output: dict[str, Any]) -> tuple[Tensor, Tensor]:
    return (output["pred"] > 0).float(), output["label"]
