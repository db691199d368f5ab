"""Training the adversary of an autoencoder."""

import torch
from ignite.engine import Engine, Events
from monai.engines import IterationEvents
from monai.utils import CommonKeys

from monai_minority.training.autoencoder_loss import AutoencoderLoss


class DiscriminatorStep:
    """Trains the discriminator of an :class:`~monai_minority.training.AutoencoderLoss` after each step of the
    autoencoder, on the images and reconstructions of that step.

    Args:
        discriminator: what is trained.
        optimizer: of its parameters.
        loss: whose adversarial term it is.
        start: steps after which both begin: an early adversary sees blur alone. It depends on the step reached, so
            that a resumed run has it without keeping it.
    """

    def __init__(
        self,
        discriminator: torch.nn.Module,
        optimizer: torch.optim.Optimizer,
        loss: AutoencoderLoss,
        start: int = 0,
    ) -> None:
        self.discriminator = discriminator
        self.optimizer = optimizer
        self.loss = loss
        self.start = start

    def attach(self, engine: Engine) -> None:
        """Switch the term before every iteration, train after the autoencoder's step."""
        engine.add_event_handler(Events.ITERATION_STARTED, self._switch)
        engine.add_event_handler(IterationEvents.MODEL_COMPLETED, self)

    def _switch(self, engine: Engine) -> None:
        self.loss.adversarial = engine.state.iteration > self.start

    def __call__(self, engine: Engine) -> None:
        if not self.loss.adversarial:
            return
        output = engine.state.output
        assert isinstance(output, dict)
        self.optimizer.zero_grad()  # the autoencoder's step has left gradients here too
        made = output[CommonKeys.PRED].images.detach()
        loss = (self.loss.fooling(output[CommonKeys.LABEL], True) + self.loss.fooling(made, False)) / 2
        loss.backward()
        if torch.distributed.is_available() and torch.distributed.is_initialized():
            for parameter in self.discriminator.parameters():
                torch.distributed.all_reduce(parameter.grad)
                parameter.grad /= torch.distributed.get_world_size()  # type: ignore[operator]
        self.optimizer.step()
        output["discriminator_loss"] = loss.detach()
