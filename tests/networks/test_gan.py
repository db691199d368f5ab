"""The GAN's networks: what they give depends on what it should and on nothing else."""

import pytest
import torch

from monai_minority.networks import GANDiscriminator, GANGenerator


@pytest.fixture(autouse=True)
def seed():
    torch.manual_seed(0)


def test_the_generator_gives_images_and_knows_directions_alone():
    generator = GANGenerator(24, 3, latent_size=10, channels=(16, 8, 8))
    codes = torch.randn(4, 10)
    images = generator(codes)
    assert images.shape == (4, 3, 24, 24)
    torch.testing.assert_close(generator(5 * codes), images)
    torch.testing.assert_close(generator(codes[2:3]), images[2:3])
    assert (images[0] - images[1]).abs().max() > 1e-3


def test_the_discriminator_sees_an_image_and_how_its_group_varies():
    images = torch.randn(8, 3, 24, 24)
    alone = GANDiscriminator(24, 3, (8, 8, 16), group=0)
    torch.testing.assert_close(alone(images)[5:6], alone(images[5:6]))
    grouped = GANDiscriminator(24, 3, (8, 8, 16), group=4)
    logits = grouped(images)
    assert logits.shape == (8,)
    torch.testing.assert_close(grouped(images[4:]), logits[4:])
    others = torch.cat([images[:6], images[5:6], images[5:6]])
    assert (grouped(others)[5] - logits[5]).abs() > 1e-6, "the group has become more alike"


def test_the_deviation_is_that_of_the_group():
    x = torch.randn(4, 5, 2, 2)
    expected = (x.var(0, correction=0) + 1e-8).sqrt().mean()
    deviation = GANDiscriminator(8, channels=(4, 4), group=4)._deviation(x)
    torch.testing.assert_close(deviation, expected.expand(4, 1, 2, 2))
    assert GANDiscriminator(8, channels=(4, 4), group=4)._deviation(x[:1].expand(4, -1, -1, -1)).max() < 2e-4


@pytest.mark.parametrize("network", [GANGenerator, GANDiscriminator])
def test_a_size_that_cannot_be_halved_so_often(network):
    with pytest.raises(ValueError, match=r"image_size must be a multiple of .* = 4 for 3 levels of channels, got 26"):
        network(26, channels=(8, 8, 8))
