"""Clean images with their labels and seeds, for validation."""

from collections.abc import Mapping
from typing import Any

import torch
from monai.engines import PrepareBatch
from torch import Tensor

from monai_minority.keys import Key


class LabelledPrepareBatch(PrepareBatch):
    """Gives images, one column as labels, and each image's seed for the inferer where the batch has seeds.

    The network also gets ``class_label`` where the batch has it and it is not what the network is to say.

    Args:
        target: column with the labels.

    Example:
        >>> import torch
        >>> from monai_minority.training import LabelledPrepareBatch
        >>> batch = {"image": torch.zeros(2, 1, 4, 4), "seed": torch.tensor([5, 6]), "disease": torch.tensor([0, 3])}
        >>> images, labels, args, call = LabelledPrepareBatch("disease")(batch)
        >>> labels.tolist(), call
        ([0, 3], {'seeds': tensor([5, 6])})
    """

    def __init__(self, target: str) -> None:
        self.target = target

    def __call__(
        self,
        batchdata: Mapping[str, Any],
        device: str | torch.device | None = None,
        non_blocking: bool = False,
        **kwargs: Any,
    ) -> tuple[Tensor, Tensor, tuple[()], dict[str, Tensor]]:
        def move(x: Tensor) -> Tensor:
            return x.to(device=device, non_blocking=non_blocking, **kwargs)

        call = {"seeds": batchdata[Key.SEED]} if Key.SEED in batchdata else {}
        if Key.CLASS_LABEL in batchdata and self.target != Key.CLASS_LABEL:
            call["class_labels"] = move(batchdata[Key.CLASS_LABEL].long())
        return move(batchdata[Key.IMAGE]), move(batchdata[self.target].long()), (), call
