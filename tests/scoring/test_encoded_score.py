"""Under an autoencoder that loses nothing, the score of latents is that of images."""

import pytest
import torch

from monai_minority.diffusion import RespacedDDPMScheduler
from monai_minority.networks import LatentAutoencoder
from monai_minority.scoring import L1, L2, DecodedDistance, EncodedScore, MinorityScore
from tests.inferers.test_guided import SmallNetwork
from tests.inferers.test_latent import InPixels
from tests.toy_autoencoder import SwappedBlocks

TIMESTEP = 400


@pytest.fixture
def autoencoder():
    autoencoder = LatentAutoencoder(SwappedBlocks(gain=0.5))
    autoencoder.scale.fill_(2.0)
    return autoencoder


@pytest.fixture
def scheduler():
    return RespacedDDPMScheduler(1000, "improved_linear", clip_sample=False)


@pytest.fixture
def images():
    return torch.rand(5, 1, 8, 8, generator=torch.Generator().manual_seed(1)) * 2 - 1


def test_in_latents_with_a_distance_of_images(autoencoder, scheduler, images):
    torch.manual_seed(0)
    network = SmallNetwork()
    noise = torch.randn(3, 5, 1, 8, 8)
    expected = MinorityScore(network, scheduler, L1(), TIMESTEP, draws=3)(images, noise=noise)
    latent = MinorityScore(
        InPixels(network, autoencoder), scheduler, DecodedDistance(L1(), autoencoder), TIMESTEP, draws=3, max_batch=2
    )
    latent_noise = autoencoder.encode(noise.flatten(0, 1)).unflatten(0, (3, 5))
    found = latent(autoencoder.encode(images), noise=latent_noise)
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-6)
    encoded = EncodedScore(latent, autoencoder.encode)
    torch.testing.assert_close(encoded(images, noise=latent_noise), expected, rtol=1e-5, atol=1e-6)


def test_seeds_are_those_of_the_latents(autoencoder, scheduler, images):
    torch.manual_seed(0)
    latent = MinorityScore(InPixels(SmallNetwork(), autoencoder), scheduler, L2(), TIMESTEP, draws=2)
    encoded = EncodedScore(latent, autoencoder.encode)
    whole = encoded(images, seeds=range(5)).mean
    assert torch.equal(whole, latent(autoencoder.encode(images), seeds=range(5)).mean)
    torch.testing.assert_close(encoded(images[[3]], seeds=[3]).mean, whole[[3]])
    assert (encoded.timestep, encoded.draws) == (TIMESTEP, 2)


def test_a_distance_of_latents_is_another_than_one_of_images(images):
    """Latents eight times the pixels are 64 times as far apart by their squares, and not when they are decoded."""
    autoencoder = LatentAutoencoder(SwappedBlocks(gain=4.0))
    autoencoder.scale.fill_(2.0)
    a, b = autoencoder.encode(images), autoencoder.encode(images.flip(0))
    pixels = L2()(images, images.flip(0))
    torch.testing.assert_close(L2()(a, b), 64 * pixels)
    torch.testing.assert_close(DecodedDistance(L2(), autoencoder)(a, b), pixels)


def test_the_timestep_is_chosen_as_on_the_latents(autoencoder, scheduler):
    torch.manual_seed(0)
    images = torch.rand(12, 1, 8, 8) * 2 - 1
    latent = MinorityScore(InPixels(SmallNetwork(), autoencoder), scheduler, L2(), "auto")
    encoded = EncodedScore(latent, autoencoder.encode)
    choice = encoded.choose_timestep(images, progress=False)
    expected = latent.choose_timestep(autoencoder.encode(images), progress=False)
    assert encoded.timestep == choice.timestep == expected.timestep
    columns = ["timestep", "mean", "between_std", "reliability", "skewness", "tail"]
    assert choice.curve[columns].equals(expected.curve[columns])
