"""The first steps of an average of weights."""

from ignite.engine import Engine, Events


class AverageWarmUp:
    """Lets ignite's ``EMAHandler`` follow the weights closely at first, by the step reached.

    The momentum (the share of the new weights) goes linearly from ``start`` to ``end``. ``EMAHandler`` can do the
    same, but counts its own updates, so that a resumed run would warm up once more.

    Args:
        end: momentum after the warm-up, 1 minus the decay.
        start: momentum of the first step.
        steps: length of the warm-up.

    Raises:
        ValueError: a momentum is not in (0, 1], or there are fewer than 2 steps.
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
        """Set the momentum before every iteration, of which the average is updated at the end."""
        engine.add_event_handler(Events.ITERATION_STARTED, self)

    def __call__(self, engine: Engine) -> None:
        passed = min(1.0, (engine.state.iteration - 1) / (self.steps - 1))
        momentum = (1 - passed) * self.start + passed * self.end
        engine.state.ema_momentum = momentum  # type: ignore[attr-defined]  # where EMAHandler looks for it
