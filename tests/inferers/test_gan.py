"""Sampling from a generator: an image belongs to its seed."""

import pytest
import torch

from monai_minority.diffusion import SeededNoise
from monai_minority.inferers import GANInferer
from monai_minority.networks import GANGenerator

SHAPE = (1, 8, 8)


@pytest.fixture
def generator():
    torch.manual_seed(0)
    return GANGenerator(8, 1, latent_size=6, channels=(8, 8))


def test_images_are_those_of_the_seeds_codes_in_any_batch(generator):
    codes = SeededNoise([4, 9, 2], (6,))()
    expected = generator(codes).detach()
    inferer = GANInferer(6)
    assert torch.equal(inferer(torch.tensor([4, 9, 2]), generator), expected)
    found = inferer.sample(generator, range(10), SHAPE, batch_size=3)
    torch.testing.assert_close(found[[4, 9, 2]], expected)
    assert len(found) == 10 and not found.requires_grad
    assert generator.training


def test_another_shape(generator):
    with pytest.raises(ValueError, match=r"must be that of the generator's images \(1, 8, 8\), got \(3, 8, 8\)"):
        GANInferer(6).sample(generator, [0], (3, 8, 8))
