"""Parameters that do not learn at first."""

from collections.abc import Iterable

import torch
from ignite.engine import Engine
from monai.engines import IterationEvents


class GradientFreeze:
    """Keeps parameters as they are for the first steps, as self-distillation does with its prototypes.

    Args:
        parameters: what is kept.
        steps: for how many steps.
    """

    def __init__(self, parameters: Iterable[torch.nn.Parameter], steps: int) -> None:
        self.parameters = list(parameters)
        self.steps = steps

    def attach(self, engine: Engine) -> None:
        """Drop the gradients after the backward pass; an optimizer passes over parameters without one."""
        engine.add_event_handler(IterationEvents.BACKWARD_COMPLETED, self)

    def __call__(self, engine: Engine) -> None:
        if engine.state.iteration <= self.steps:
            for parameter in self.parameters:
                parameter.grad = None
