"""Self-distillation: its loss, and the values that change from step to step."""

import math
from collections.abc import Callable
from typing import Any

import torch
from ignite.engine import Engine, Events
from torch import Tensor, nn

Schedule = Callable[[int], float]
"""From the step, of which 0 is the first, to a value."""


class SelfDistillationLoss(nn.Module):
    """Cross-entropy between the teacher's output for the large crops and the student's output for every other crop.

    Eq. 1 to 4 of Caron et al. (2021). The teacher's logits are centred by their running mean, so that no prototype wins
    everywhere, and sharpened by a low temperature, so that they do not become uniform. The centre is updated after each
    training batch, over all processes. It belongs in the checkpoint. It starts at the mean of the first batch. The
    published loss starts at 0; the first targets are then what all images have in common, the student unlearns to
    distinguish images, and only long trainings recover.

    Args:
        prototypes: number of logits K.
        student_temperature: temperature of the student.
        teacher_temperature: temperature of the teacher; it may change during training.
        centre_momentum: share of the old centre that an update keeps.

    Attributes:
        centre: running mean of the teacher's logits ``[K]``.
        target_entropy: mean entropy of the last batch's targets, in nats. The training has collapsed where it is near
            0 or near ``log K``.

    Raises:
        ValueError: a temperature is not positive, or the momentum is not in [0, 1].

    Example:
        >>> import torch
        >>> from monai_minority.training import SelfDistillationLoss
        >>> loss = SelfDistillationLoss(prototypes=2)
        >>> alike = torch.zeros(2, 1, 2)  # two crops of one image, with equal logits
        >>> round(loss((alike, alike)).item(), 3), round(loss.target_entropy, 3)  # log 2: both guess
        (0.693, 0.693)
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
            logits: logits of the student ``[V, B, K]`` and of the teacher ``[G, B, K]``. The student's first G crops
                are the teacher's.
            targets: not used; MONAI's engines pass the batch's targets.

        Raises:
            ValueError: there are fewer than two crops, or the teacher has more crops than the student.
        """
        student, teacher = (values.float() for values in logits)
        views, seen = len(student), len(teacher)
        if views < 2 or seen > views:
            raise ValueError(
                f"logits must have at least two crops of the student and no more of the teacher, got {views} and {seen}"
            )
        teacher = teacher.detach()
        training = torch.is_grad_enabled() and student.requires_grad  # validation does not change the centre
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


class CosineSchedule:
    """A linear warm-up followed by half a cosine.

    The value depends on the step alone, so a resumed run needs no record of it.

    Args:
        start: value after the warm-up.
        end: value one step after the last.
        total_steps: steps of the training.
        warmup_steps: steps of the linear change from ``warmup_start`` to ``start``.
        warmup_start: value of the first step, where there is a warm-up.

    Raises:
        ValueError: a length is negative, or the warm-up is longer than the training.

    Example:
        >>> from monai_minority.training import CosineSchedule
        >>> rate = CosineSchedule(start=1.0, end=0.0, total_steps=10, warmup_steps=2)
        >>> [round(rate(step), 2) for step in (0, 1, 2, 6, 10)]
        [0.0, 0.5, 1.0, 0.5, 0.0]
    """

    def __init__(
        self, start: float, end: float, total_steps: int, warmup_steps: int = 0, warmup_start: float = 0.0
    ) -> None:
        if not 0 <= warmup_steps <= total_steps:
            raise ValueError(
                f"warmup_steps must be between 0 and total_steps, got {warmup_steps} of {total_steps}; shorten it"
            )
        self.start = start
        self.end = end
        self.total_steps = total_steps
        self.warmup_steps = warmup_steps
        self.warmup_start = warmup_start

    def __call__(self, step: int) -> float:
        """Value at ``step``, of which 0 is the first."""
        if step < self.warmup_steps:
            return self.warmup_start + (self.start - self.warmup_start) * step / self.warmup_steps
        passed = min(1.0, (step - self.warmup_steps) / max(1, self.total_steps - self.warmup_steps))
        return self.end + (self.start - self.end) * (1 + math.cos(math.pi * passed)) / 2


class DistillationSchedules:
    """Sets the learning rate, the weight decay, and the teacher's momentum and temperature before every step.

    All of them depend on the step alone, so a resumed run continues where it stopped.

    Args:
        optimizer: optimizer of the student. Parameter groups without weight decay keep none.
        loss: :class:`~monai_minority.training.SelfDistillationLoss`.
        learning_rate: schedule of the learning rate: from the step, of which 0 is the first, to the value.
        weight_decay: schedule of the weight decay.
        teacher_momentum: schedule of the share of its old weights that the teacher keeps; ignite's ``EMAHandler`` reads
            it.
        teacher_temperature: schedule of the loss's teacher temperature.

    Example:
        >>> import torch
        >>> from ignite.engine import Engine
        >>> from monai_minority.training import CosineSchedule, DistillationSchedules, SelfDistillationLoss
        >>> optimizer, loss = torch.optim.AdamW([torch.nn.Parameter(torch.zeros(1))]), SelfDistillationLoss(2)
        >>> rate, fixed = CosineSchedule(0.5, 0.0, total_steps=4), CosineSchedule(0.1, 0.1, total_steps=4)
        >>> trainer = Engine(lambda engine, batch: print(round(optimizer.param_groups[0]["lr"], 3)))
        >>> DistillationSchedules(optimizer, loss, rate, fixed, fixed, fixed).attach(trainer)
        >>> state = trainer.run(range(3))
        0.5
        0.427
        0.25
        >>> loss.teacher_temperature
        0.1
    """

    def __init__(
        self,
        optimizer: torch.optim.Optimizer,
        loss: Any,
        learning_rate: Schedule,
        weight_decay: Schedule,
        teacher_momentum: Schedule,
        teacher_temperature: Schedule,
    ) -> None:
        self.optimizer = optimizer
        self.loss = loss
        self.learning_rate = learning_rate
        self.weight_decay = weight_decay
        self.teacher_momentum = teacher_momentum
        self.teacher_temperature = teacher_temperature
        self._decayed = [group["weight_decay"] > 0 for group in optimizer.param_groups]

    def attach(self, engine: Engine) -> None:
        """Set the values before every iteration; the teacher is averaged after it."""
        engine.add_event_handler(Events.ITERATION_STARTED, self)

    def __call__(self, engine: Engine) -> None:
        step = engine.state.iteration - 1
        for group, decayed in zip(self.optimizer.param_groups, self._decayed, strict=True):
            group["lr"] = self.learning_rate(step)
            group["weight_decay"] = self.weight_decay(step) if decayed else 0.0
        self.loss.teacher_temperature = self.teacher_temperature(step)
        engine.state.ema_momentum = 1 - self.teacher_momentum(step)  # type: ignore[attr-defined]  # EMAHandler's name


def _mean(logits: Tensor) -> Tensor:
    """Mean logits ``[K]`` over crops, images and processes."""
    mean = logits.mean((0, 1))
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        torch.distributed.all_reduce(mean)
        mean /= torch.distributed.get_world_size()
    return mean
