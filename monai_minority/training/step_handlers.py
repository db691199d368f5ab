"""Small handlers that act at every training step. Each depends on the step alone, so a resumed run needs no record."""

from collections.abc import Iterable

import torch
from ignite.engine import Engine, Events
from ignite.handlers import EMAHandler
from monai.engines import IterationEvents

from monai_minority.training.batches import step_seed


class WeightAverage(EMAHandler):
    """Ignite's moving average of the weights, to the bit, in two operations in place of two for each parameter.

    Buffers are copied. The arguments are those of ``EMAHandler``: the network, and the share of its new weights.

    Example:
        >>> import torch
        >>> from ignite.engine import Engine
        >>> from monai_minority.training import WeightAverage
        >>> network, trainer = torch.nn.Linear(1, 1), Engine(lambda engine, batch: network.bias.data.add_(1.0))
        >>> network.bias.data.zero_()
        tensor([0.])
        >>> average = WeightAverage(network, momentum=0.5)
        >>> average.attach(trainer)
        >>> state = trainer.run(range(2))  # biases 1 and 2; averages 0.5 and 1.25
        >>> average.ema_model.bias.item()
        1.25
    """

    def __init__(self, model: torch.nn.Module, momentum: float = 0.0002) -> None:
        super().__init__(model, momentum)

    def _update_ema_model(self, engine: Engine, name: str) -> None:
        momentum = getattr(engine.state, name)
        average = [value.data for value in self.ema_model.parameters()]
        torch._foreach_mul_(average, 1.0 - momentum)
        torch._foreach_add_(average, [value.data for value in self.model.parameters()], alpha=momentum)
        for mean, value in zip(self.ema_model.buffers(), self.model.buffers(), strict=True):
            mean.data = value.data


class AverageWarmUp:
    """Lets the averaged weights of ignite's ``EMAHandler`` follow the network closely in the first steps.

    The momentum is the share of the new weights. It changes linearly from ``start`` to ``end``. ``EMAHandler`` has its
    own warm-up, but it counts its updates, so a resumed run would warm up again.

    Args:
        end: momentum after the warm-up, which is 1 minus the decay.
        start: momentum of the first step.
        steps: length of the warm-up.

    Raises:
        ValueError: a momentum is not in (0, 1], or ``steps`` is below 2.

    Example:
        >>> from ignite.engine import Engine, Events
        >>> from monai_minority.training import AverageWarmUp
        >>> momenta, trainer = [], Engine(lambda engine, batch: None)
        >>> AverageWarmUp(end=0.01, start=0.1, steps=4).attach(trainer)
        >>> handler = trainer.on(Events.ITERATION_COMPLETED)(lambda: momenta.append(trainer.state.ema_momentum))
        >>> state = trainer.run(range(5))
        >>> [round(momentum, 2) for momentum in momenta]
        [0.1, 0.07, 0.04, 0.01, 0.01]
    """

    def __init__(self, end: float, start: float = 0.1, steps: int = 200) -> None:
        if not (0 < end <= 1 and 0 < start <= 1) or steps < 2:
            raise ValueError(
                f"end and start must be in (0, 1] and steps at least 2, got end={end}, start={start}, steps={steps}"
            )
        self.end = end
        self.start = start
        self.steps = steps

    def attach(self, engine: Engine) -> None:
        """Set the momentum before every iteration; ``EMAHandler`` updates the average after it."""
        engine.add_event_handler(Events.ITERATION_STARTED, self)

    def __call__(self, engine: Engine) -> None:
        passed = min(1.0, (engine.state.iteration - 1) / (self.steps - 1))
        momentum = (1 - passed) * self.start + passed * self.end
        engine.state.ema_momentum = momentum  # type: ignore[attr-defined]  # EMAHandler reads it


class GradientClipping:
    """Scales the gradients down before each optimizer step where their total norm exceeds a limit.

    A gradient that is not finite ends the training before it reaches the weights.

    Args:
        parameters: trained parameters.
        max_norm: limit of the total Euclidean norm.

    Raises:
        ValueError: ``max_norm`` is not positive; or, at a step, the gradient is not finite.

    Example:
        >>> import torch
        >>> from ignite.engine import Engine
        >>> from monai_minority.training import GradientClipping
        >>> weights = torch.nn.Parameter(torch.zeros(2))
        >>> weights.grad = torch.tensor([3.0, 4.0])
        >>> GradientClipping([weights], max_norm=1.0)(Engine(lambda engine, batch: None))
        >>> [round(value, 3) for value in weights.grad.tolist()]
        [0.6, 0.8]
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


class GradientFreeze:
    """Keeps parameters fixed for the first steps, as self-distillation does with its prototypes.

    Args:
        parameters: parameters to keep fixed.
        steps: number of steps without an update.

    Example:
        >>> import torch
        >>> from ignite.engine import Engine
        >>> from monai_minority.training import GradientFreeze
        >>> weights, trainer = torch.nn.Parameter(torch.zeros(2)), Engine(lambda engine, batch: None)
        >>> freeze = GradientFreeze([weights], steps=10)
        >>> for trainer.state.iteration in (10, 11):
        ...     weights.grad = torch.ones(2)
        ...     freeze(trainer)
        ...     print(weights.grad)
        None
        tensor([1., 1.])
    """

    def __init__(self, parameters: Iterable[torch.nn.Parameter], steps: int) -> None:
        self.parameters = list(parameters)
        self.steps = steps

    def attach(self, engine: Engine) -> None:
        """Remove the gradients after the backward pass; optimizers skip parameters without a gradient."""
        engine.add_event_handler(IterationEvents.BACKWARD_COMPLETED, self)

    def __call__(self, engine: Engine) -> None:
        if engine.state.iteration <= self.steps:
            for parameter in self.parameters:
                parameter.grad = None


class StepSeed:
    """Seeds PyTorch's global generator at every step, so that a resumed run repeats the dropout of the first.

    Args:
        seed: seed of the run.
        rank: rank of this process; each process has its own dropout.

    Example:
        >>> import torch
        >>> from ignite.engine import Engine
        >>> from monai_minority.training import StepSeed
        >>> trainer, draws = Engine(lambda engine, batch: None), []
        >>> for trainer.state.iteration in (7, 8, 7):
        ...     StepSeed(seed=0)(trainer)
        ...     draws.append(torch.rand(1).item())
        >>> draws[0] == draws[2], draws[0] == draws[1]
        (True, False)
    """

    def __init__(self, seed: int = 0, rank: int = 0) -> None:
        self.seed = seed
        self.rank = rank

    def attach(self, engine: Engine) -> None:
        """Seed before every iteration."""
        engine.add_event_handler(Events.ITERATION_STARTED, self)

    def __call__(self, engine: Engine) -> None:
        torch.manual_seed(step_seed(self.seed + 1 + self.rank, engine.state.iteration))
