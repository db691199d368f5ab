"""What changes from step to step of self-distillation."""

from collections.abc import Callable
from typing import Any

import torch
from ignite.engine import Engine, Events

Schedule = Callable[[int], float]


class DistillationSchedules:
    """Sets learning rate, weight decay, and the teacher's momentum and temperature before every step.

    All of it follows from the step, so that a resumed run goes on where it was.

    Args:
        optimizer: parameter groups without weight decay stay without.
        loss: :class:`~monai_minority.training.SelfDistillationLoss`.
        learning_rate: from the step, 0 the first, to its value, and likewise
        weight_decay: of the optimizer,
        teacher_momentum: share of its old weights that the teacher keeps; ignite's ``EMAHandler`` reads it, and
        teacher_temperature: of the loss.
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
        """Set before every iteration; the teacher is averaged at its end."""
        engine.add_event_handler(Events.ITERATION_STARTED, self)

    def __call__(self, engine: Engine) -> None:
        step = engine.state.iteration - 1
        for group, decayed in zip(self.optimizer.param_groups, self._decayed, strict=True):
            group["lr"] = self.learning_rate(step)
            group["weight_decay"] = self.weight_decay(step) if decayed else 0.0
        self.loss.teacher_temperature = self.teacher_temperature(step)
        engine.state.ema_momentum = 1 - self.teacher_momentum(step)  # type: ignore[attr-defined]  # EMAHandler's name
