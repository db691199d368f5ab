"""Clean images with their labels and seeds, for validation."""

from collections.abc import Mapping
from typing import Any

import torch
from monai.engines import PrepareBatch
from torch import Tensor

from monai_minority.keys import Key


class LabelledPrepareBatch(PrepareBatch):
    """Images and one column as labels, with each image's seed for the inferer; where the batch has
    ``class_label``, the network gets it.

    Args:
        target: column with the labels.
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

        call = {"seeds": batchdata[Key.SEED]}
        if Key.CLASS_LABEL in batchdata:
            call["class_labels"] = move(batchdata[Key.CLASS_LABEL].long())
        return move(batchdata[Key.IMAGE]), move(batchdata[self.target].long()), (), call
