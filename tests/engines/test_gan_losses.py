"""The losses of a GAN on a discriminator whose gradient is known."""

import math

import pytest
import torch
from torch import nn

from monai_minority.engines import DiscriminatorLoss, GeneratorLoss


@pytest.fixture
def discriminator():
    """Three times the sum of the pixels: its gradient at any of 4 pixels is 3, the squared norm 36."""
    network = nn.Linear(4, 1, bias=False)
    nn.init.constant_(network.weight, 3.0)
    return nn.Sequential(nn.Flatten(), network, nn.Flatten(0))


def softplus(x):
    return math.log1p(math.exp(x))


def images(value):
    return torch.full((2, 1, 2, 2), value)


def test_the_generator_wants_high_logits(discriminator):
    made = images(0.1).requires_grad_()
    loss = GeneratorLoss(discriminator)(made)
    assert loss.item() == pytest.approx(softplus(-1.2))
    (slope,) = torch.autograd.grad(loss, made)
    assert (slope < 0).all()


def test_the_discriminators_loss_and_penalty(discriminator):
    made = images(0.1).requires_grad_()
    plain = DiscriminatorLoss(discriminator, r1=0.0)(made, images(0.2))
    assert plain.item() == pytest.approx(softplus(1.2) + softplus(-2.4))
    loss = DiscriminatorLoss(discriminator, r1=0.5)(made, images(0.2))
    assert loss.item() == pytest.approx(plain.item() + 0.25 * 36)
    loss.backward()
    assert made.grad is None
    # the penalty's slope in each of 4 weights is r1 * weight = 1.5; the rest is that of the logistic terms
    sigmoid = 1 / (1 + math.exp(-1.2)), 1 / (1 + math.exp(2.4))
    assert discriminator[1].weight.grad[0, 0].item() == pytest.approx(1.5 + 0.1 * sigmoid[0] - 0.2 * sigmoid[1])


def test_a_loss_that_is_not_finite_ends_the_training(discriminator):
    with pytest.raises(ValueError, match="loss of the generator must be finite, got nan"):
        GeneratorLoss(discriminator)(images(float("nan")))
    with pytest.raises(ValueError, match="loss of the discriminator must be finite"):
        DiscriminatorLoss(discriminator)(images(float("inf")), images(0.0))
