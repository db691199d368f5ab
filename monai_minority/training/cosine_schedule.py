"""A value that changes with the training step alone."""

import math


class CosineSchedule:
    """A linear warm-up, then half a cosine.

    Its value depends on the step and nothing else, so that a resumed run has it without keeping it.

    Args:
        start: value after the warm-up.
        end: value that the last step would have if it were one further.
        total_steps: steps of the training.
        warmup_steps: steps that go linearly from ``warmup_start`` to ``start``.
        warmup_start: value of the first step, where there is a warm-up.

    Raises:
        ValueError: the warm-up is longer than the training or a length is negative.
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
        """Value of ``step``, 0 the first."""
        if step < self.warmup_steps:
            return self.warmup_start + (self.start - self.warmup_start) * step / self.warmup_steps
        passed = min(1.0, (step - self.warmup_steps) / max(1, self.total_steps - self.warmup_steps))
        return self.end + (self.start - self.end) * (1 + math.cos(math.pi * passed)) / 2
