"""Measures of a network during its training, as ignite's metrics."""

from operator import itemgetter
from typing import Any

import torch
from ignite.metrics import Loss
from monai.handlers import MeanDice
from torch import Tensor

from monai_minority.training.batches import DenoisingTargets


class ValidationLoss(Loss):
    """Mean of a training loss over the validation images.

    Args:
        loss: function from outputs and targets to one value, or to one for each image.

    Example:
        >>> import torch
        >>> from monai_minority.training import ValidationLoss
        >>> metric = ValidationLoss(lambda prediction, targets: (prediction - targets).abs())
        >>> metric.update((torch.tensor([1.0, 2.0]), torch.zeros(2)))  # ignite calls this once a batch
        >>> metric.update((torch.tensor([6.0]), torch.zeros(1)))
        >>> metric.compute()
        3.0
    """

    def __init__(self, loss: Any) -> None:
        super().__init__(
            lambda prediction, targets: loss(prediction, targets).mean(),
            output_transform=itemgetter("pred", "label"),
            batch_size=_images,
        )


class ReconstructionError(Loss):
    """Mean absolute error of an autoencoder over pixels in [-1, 1]; ignite's own metric sums over pixels.

    Example:
        >>> import torch
        >>> from ignite.engine import Engine
        >>> from monai_minority.networks.autoencoder import Reconstruction
        >>> from monai_minority.training import ReconstructionError
        >>> images = torch.zeros(2, 1, 4, 4)
        >>> output = {"pred": Reconstruction(images + 0.5, images, images), "label": images}
        >>> evaluator = Engine(lambda engine, batch: output)
        >>> ReconstructionError().attach(evaluator, "error")
        >>> evaluator.run([0]).metrics
        {'error': 0.5}
    """

    def __init__(self) -> None:
        super().__init__(torch.nn.functional.l1_loss, output_transform=_reconstructed)


class MaskDice(MeanDice):
    """Dice coefficient of the mask in which the network's output is positive.

    Example:
        >>> import torch
        >>> from ignite.engine import Engine
        >>> from monai_minority.training import MaskDice
        >>> truth = torch.tensor([[[[1.0, 1.0], [0.0, 0.0]]]])
        >>> output = {"pred": torch.tensor([[[[3.0, -3.0], [-3.0, -3.0]]]]), "label": truth}  # one of the two pixels
        >>> evaluator = Engine(lambda engine, batch: output)
        >>> MaskDice().attach(evaluator, "dice")
        >>> round(float(evaluator.run([0]).metrics["dice"]), 3)
        0.667
    """

    def __init__(self) -> None:
        super().__init__(include_background=True, output_transform=_masked)


def _images(targets: Any) -> int:
    return len(targets.images if isinstance(targets, DenoisingTargets) else targets)


def _reconstructed(output: dict[str, Any]) -> tuple[Tensor, Tensor]:
    return output["pred"].images.float(), output["label"]


def _masked(output: dict[str, Any]) -> tuple[Tensor, Tensor]:
    return (output["pred"] > 0).float(), output["label"]
