"""The terms of an autoencoder's loss have closed forms."""

import pytest
import torch
from torch import nn

from monai_minority.networks.autoencoder import Reconstruction
from monai_minority.scoring import L2, FeatureDistance
from monai_minority.training import AutoencoderLoss
from monai_minority.training.autoencoder_loss import divergence


@pytest.fixture
def made():
    images = torch.zeros(2, 1, 4, 4)
    latent = torch.zeros(2, 3, 2, 2)
    return Reconstruction(images + 0.5, latent + 2.0, latent + 1.0), images


def test_divergence_is_that_of_normal_distributions():
    mean, sigma = torch.randn(4, 3, 2, 2), torch.rand(4, 3, 2, 2) + 0.1
    normal = torch.distributions.Normal
    expected = torch.distributions.kl_divergence(normal(mean, sigma), normal(torch.zeros(()), torch.ones(())))
    torch.testing.assert_close(divergence(mean, sigma), expected.flatten(1).sum(1))


def test_terms_add_with_their_weights(made):
    assert AutoencoderLoss(kl_weight=0.0)(*made).item() == pytest.approx(0.5)
    assert AutoencoderLoss(kl_weight=0.1)(*made).item() == pytest.approx(0.5 + 0.1 * 12 * 2.0)
    assert AutoencoderLoss(0.0, L2(), 4.0)(*made).item() == pytest.approx(0.5 + 4.0 * 0.25)


def test_the_adversary_counts_once_it_is_on(made):
    discriminator = nn.Conv2d(1, 1, 1, bias=False)
    nn.init.constant_(discriminator.weight, 3.0)  # logits 1.5 of the made images, 0 of the real ones
    loss = AutoencoderLoss(0.0, discriminator=discriminator, adversarial_weight=0.2)
    assert loss(*made).item() == pytest.approx(0.5)
    loss.adversarial = True
    assert loss(*made).item() == pytest.approx(0.5 + 0.2 * (1.5 - 1) ** 2)
    assert loss.fooling(made[0].images, False).item() == pytest.approx(1.5**2)
    assert loss.fooling(made[1], True).item() == pytest.approx(1.0)
    assert list(loss.parameters()) == [], "the discriminator has an optimizer of its own"


def test_reconstructions_in_bfloat16_have_their_loss_in_float32():
    """An autoencoder under autocast hands over bfloat16, which the loss's own networks, of float32, do not take."""
    images = torch.rand(2, 1, 8, 8) * 2 - 1
    parts = torch.rand(2, 1, 8, 8) * 2 - 1, torch.randn(2, 3, 2, 2), torch.rand(2, 3, 2, 2) + 0.1
    rough = Reconstruction(*(part.bfloat16().requires_grad_() for part in parts))
    exact = Reconstruction(*(part.detach().float() for part in rough))
    loss = AutoencoderLoss(
        0.1, FeatureDistance(nn.Conv2d(3, 4, 3)), 0.5, discriminator=nn.Conv2d(1, 1, 3), adversarial_weight=0.2
    )
    loss.adversarial = True
    found = loss(rough, images)
    assert found.dtype == torch.float32
    assert found.item() == loss(exact, images).item()
    found.backward()
    assert all(part.grad.isfinite().all() and part.grad.any() for part in rough)
    assert loss.fooling(rough.images.detach(), False).item() == loss.fooling(exact.images, False).item()
