"""The loss of self-distillation, with the centring that keeps it from collapsing."""

from typing import Any

import torch
from torch import Tensor, nn


class SelfDistillationLoss(nn.Module):
    """Cross-entropy between what the teacher says of the large crops and the student of every other crop.

    Eq. 1 to 4 of Caron et al. (2021): the teacher's logits are centred by their running mean, which no single prototype
    can then win, and sharpened by a low temperature, which keeps them from becoming uniform. The centre is updated
    after each training batch, over all processes, and belongs in the checkpoint. It starts as the mean of the first
    batch: from 0, as published, the first targets are what all images have in common, and the student unlearns to tell
    them apart, from which only long trainings recover.

    Args:
        prototypes: number of logits K.
        student_temperature: of the student.
        teacher_temperature: of the teacher; may be changed while training.
        centre_momentum: share of the old centre that an update keeps.

    Attributes:
        centre: running mean of the teacher's logits ``[K]``.
        target_entropy: mean entropy in nats of the last batch's targets. Near 0 or near ``log K`` the training has
            collapsed.

    Raises:
        ValueError: a temperature is not positive or the momentum not in [0, 1].
    """

    centre: Tensor

    def __init__(
        self,
        prototypes: int,
        student_temperature: float = 0.1,
        teacher_temperature: float = 0.04,
        centre_momentum: float = 0.9,
    ) -> None:
        super().__init__()
        if not (student_temperature > 0 and teacher_temperature > 0 and 0 <= centre_momentum <= 1):
            raise ValueError(
                "temperatures must be positive and centre_momentum in [0, 1], got "
                f"{student_temperature}, {teacher_temperature} and {centre_momentum}"
            )
        self.student_temperature = student_temperature
        self.teacher_temperature = teacher_temperature
        self.centre_momentum = centre_momentum
        self.target_entropy = float("nan")
        self.register_buffer("centre", torch.zeros(prototypes))

    def forward(self, logits: tuple[Tensor, Tensor], targets: Any = None) -> Tensor:
        """Mean loss over images and over pairs of different crops.

        Args:
            logits: of the student ``[V, B, K]`` and of the teacher ``[G, B, K]``, the same G crops first.
            targets: not used; MONAI's engines hand over what the batch had.

        Raises:
            ValueError: there are fewer than two crops, or the teacher saw more than the student.
        """
        student, teacher = (values.float() for values in logits)
        views, seen = len(student), len(teacher)
        if views < 2 or seen > views:
            raise ValueError(
                f"logits must be of at least two of the student's crops and no more of the teacher's, got {views} "
                f"and {seen}"
            )
        teacher = teacher.detach()
        training = torch.is_grad_enabled() and student.requires_grad  # a validation leaves the centre alone
        if training and not self.centre.any():
            self.centre.copy_(_mean(teacher))
        sharp = (teacher - self.centre) / self.teacher_temperature
        target, log_target = sharp.softmax(-1), sharp.log_softmax(-1)
        self.target_entropy = float(-(target * log_target).sum(-1).mean())
        log_prediction = (student / self.student_temperature).log_softmax(-1)
        pairs = -torch.einsum("gbk,vbk->gv", target, log_prediction) / student.shape[1]
        loss = (pairs.sum() - pairs.diagonal().sum()) / (seen * (views - 1))
        if training:
            self.centre.lerp_(_mean(teacher), 1 - self.centre_momentum)
        return loss


def _mean(logits: Tensor) -> Tensor:
    """Mean logits ``[K]`` over crops, images and processes."""
    mean = logits.mean((0, 1))
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        torch.distributed.all_reduce(mean)
        mean /= torch.distributed.get_world_size()
    return mean
