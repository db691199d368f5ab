"""The call of self-distillation: the student sees every crop, the teacher the large ones."""

from collections.abc import Callable
from typing import Any

import torch
from monai.inferers import Inferer
from torch import Tensor

from monai_minority.transforms import Views


class SelfDistillationInferer(Inferer):
    """Logits of student and teacher.

    Args:
        teacher: the averaged network, :class:`~monai_minority.networks.SelfDistillationNetwork`.
    """

    def __init__(self, teacher: Callable[..., Tensor]) -> None:
        self.teacher = teacher

    def __call__(  # type: ignore[override]
        self, inputs: Views, network: Callable[..., Tensor], *args: Any, **kwargs: Any
    ) -> tuple[Tensor, Tensor]:
        """Of the student ``[V, B, K]``, and of the teacher, without gradients, ``[G, B, K]``."""
        with torch.no_grad():
            teacher = self.teacher(inputs.large)
        return network(inputs), teacher
