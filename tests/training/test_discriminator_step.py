"""The adversary's step."""

import pytest
import torch
from monai.engines import SupervisedTrainer
from torch import nn

from monai_minority.networks.autoencoder import Reconstruction
from monai_minority.training import AutoencoderLoss, DiscriminatorStep


class Constant(nn.Module):
    """Every image becomes the same grey value, which is learned."""

    def __init__(self):
        super().__init__()
        self.value = nn.Parameter(torch.tensor(0.5))

    def forward(self, x):
        latent = torch.zeros_like(x)
        return Reconstruction(torch.zeros_like(x) + self.value, latent, latent + 1)


def run(start, steps):
    """Two optimizers of rate 0.1 over images of -1; returns the weight of the discriminator after each step."""
    network, discriminator = Constant(), nn.Conv2d(1, 1, 1, bias=False)
    nn.init.constant_(discriminator.weight, 1.0)
    loss = AutoencoderLoss(0.0, discriminator=discriminator, adversarial_weight=0.0)
    handler = DiscriminatorStep(discriminator, torch.optim.SGD(discriminator.parameters(), 0.1), loss, start)
    images = [(torch.full((2, 1, 2, 2), -1.0),) * 2] * steps
    weights = []
    trainer = SupervisedTrainer(
        torch.device("cpu"),
        1,
        torch.utils.data.DataLoader(images, batch_size=None),
        network,
        torch.optim.SGD(network.parameters(), 0.0),
        loss,
        prepare_batch=lambda batch, *_, **__: batch,
        train_handlers=[handler],
        decollate=False,
    )
    trainer.add_event_handler("ITERATION_COMPLETED", lambda _: weights.append(discriminator.weight.item()))
    trainer.run()
    return weights, trainer.state.output


def test_one_step_is_the_gradient_of_the_least_squares_loss():
    weights, output = run(start=0, steps=1)
    # w = 1: half of (-w - 1)^2 + (0.5 w)^2 is 2.125, its slope (w + 1) + 0.25 w = 2.25
    assert output["discriminator_loss"].item() == pytest.approx(2.125)
    assert weights[0] == pytest.approx(1 - 0.1 * 2.25)


def test_it_begins_after_the_start():
    weights, _ = run(start=2, steps=3)
    assert weights[:2] == [1.0, 1.0]
    assert weights[2] == pytest.approx(1 - 0.1 * 2.25)
