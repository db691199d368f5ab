"""Training of an autoencoder's discriminator."""

import torch
from ignite.engine import Engine, Events
from monai.engines import IterationEvents
from monai.utils import CommonKeys

from monai_minority.training.autoencoder_loss import AutoencoderLoss


class DiscriminatorStep:
    """Trains the discriminator of an :class:`~monai_minority.training.AutoencoderLoss` after each step.

    It trains on the images and reconstructions of that step.

    Args:
        discriminator: network to train.
        optimizer: optimizer of the discriminator's parameters.
        loss: loss of the autoencoder, which has the adversarial term.
        start: steps before the discriminator's training and the adversarial term begin, because early reconstructions
            are only blurred. It counts the trainer's iterations, so a resumed run needs no record of it.

    Example:
        >>> import torch
        >>> from ignite.engine import Engine
        >>> from monai_minority.networks.autoencoder import Reconstruction
        >>> from monai_minority.training import AutoencoderLoss, DiscriminatorStep
        >>> discriminator = torch.nn.Conv2d(1, 1, 1)
        >>> loss = AutoencoderLoss(discriminator=discriminator, adversarial_weight=0.1)
        >>> step = DiscriminatorStep(discriminator, torch.optim.SGD(discriminator.parameters(), 0.1), loss)
        >>> trainer, images = Engine(lambda engine, batch: None), torch.ones(2, 1, 4, 4)
        >>> trainer.state.output = {"pred": Reconstruction(-images, images, images), "label": images}
        >>> loss.adversarial, before = True, discriminator.weight.item()
        >>> step(trainer)  # real images are 1 and reconstructions -1, so the weight grows
        >>> discriminator.weight.item() > before
        True
    """

    def __init__(
        self, discriminator: torch.nn.Module, optimizer: torch.optim.Optimizer, loss: AutoencoderLoss, start: int = 0
    ) -> None:
        self.discriminator = discriminator
        self.optimizer = optimizer
        self.loss = loss
        self.start = start

    def attach(self, engine: Engine) -> None:
        """Switch the adversarial term before every iteration, and train after the autoencoder's step."""
        engine.add_event_handler(Events.ITERATION_STARTED, self._switch)
        engine.add_event_handler(IterationEvents.MODEL_COMPLETED, self)

    def _switch(self, engine: Engine) -> None:
        self.loss.adversarial = engine.state.iteration > self.start

    def __call__(self, engine: Engine) -> None:
        if not self.loss.adversarial:
            return
        output = engine.state.output
        assert isinstance(output, dict)
        self.optimizer.zero_grad()  # the autoencoder's step left gradients here
        made = output[CommonKeys.PRED].images.detach()
        loss = (self.loss.fooling(output[CommonKeys.LABEL], True) + self.loss.fooling(made, False)) / 2
        loss.backward()
        if torch.distributed.is_available() and torch.distributed.is_initialized():
            for parameter in self.discriminator.parameters():
                torch.distributed.all_reduce(parameter.grad)
                parameter.grad /= torch.distributed.get_world_size()  # type: ignore[operator]
        self.optimizer.step()
        output["discriminator_loss"] = loss.detach()
