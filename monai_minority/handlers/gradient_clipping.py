"""Gradient clipping by total norm."""

from collections.abc import Iterable

import torch
from ignite.engine import Engine
from monai.engines import IterationEvents


class GradientClipping:
    """Scales the gradients down where their total norm exceeds a limit, before each optimizer step.

    Args:
        parameters: what is trained.
        max_norm: limit of the total Euclidean norm.

    Raises:
        ValueError: ``max_norm`` is not positive.
    """

    def __init__(self, parameters: Iterable[torch.nn.Parameter], max_norm: float = 1.0) -> None:
        if not max_norm > 0:
            raise ValueError(f"max_norm must be positive, got {max_norm}; leave the handler out to not clip")
        self.parameters = list(parameters)
        self.max_norm = max_norm

    def attach(self, engine: Engine) -> None:
        """Clip after every backward pass."""
        engine.add_event_handler(IterationEvents.BACKWARD_COMPLETED, self)

    def __call__(self, engine: Engine) -> None:
        torch.nn.utils.clip_grad_norm_(self.parameters, self.max_norm)
