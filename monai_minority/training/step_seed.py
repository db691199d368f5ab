"""Seeds PyTorch's global stream at every step."""

import torch
from ignite.engine import Engine, Events

from monai_minority.training.noising import step_seed


class StepSeed:
    """Makes dropout a function of seed, step and process, so that a resumed run repeats it.

    Args:
        seed: of the run.
        rank: this process; each drops out units of its own.
    """

    def __init__(self, seed: int = 0, rank: int = 0) -> None:
        self.seed = seed
        self.rank = rank

    def attach(self, engine: Engine) -> None:
        """Seed before every iteration."""
        engine.add_event_handler(Events.ITERATION_STARTED, self)

    def __call__(self, engine: Engine) -> None:
        torch.manual_seed(step_seed(self.seed + 1 + self.rank, engine.state.iteration))
