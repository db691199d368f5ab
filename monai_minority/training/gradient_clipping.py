"""Gradient clipping by total norm."""

from collections.abc import Iterable

import torch
from ignite.engine import Engine
from monai.engines import IterationEvents


class GradientClipping:
    """Scales the gradients down where their total norm exceeds a limit, before each optimizer step.

    A gradient that is not finite ends the training before it reaches the weights.

    Args:
        parameters: what is trained.
        max_norm: limit of the total Euclidean norm.

    Raises:
        ValueError: ``max_norm`` is not positive; or, at a step, the gradient is not finite.
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
        norm = torch.nn.utils.clip_grad_norm_(self.parameters, self.max_norm)
        if not norm.isfinite():
            raise ValueError(
                f"the gradient at step {engine.state.iteration} must be finite, its norm is {norm.item()}; training "
                "diverged: lower the learning rate. The checkpoint of the last epoch is kept"
            )
