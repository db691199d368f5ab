"""Latents of a known autoencoder."""

import pytest
import torch
from monai.networks.nets import AutoencoderKL

from monai_minority.networks import LatentAutoencoder, load_checkpoint, save_weights
from tests.toy_autoencoder import SwappedBlocks


@pytest.fixture
def images():
    return torch.rand(3, 1, 8, 8, generator=torch.Generator().manual_seed(0)) * 2 - 1


def test_latents_are_scaled_and_decoding_takes_the_scale_back(images):
    autoencoder = LatentAutoencoder(SwappedBlocks(gain=4.0))
    autoencoder.scale.fill_(0.5)
    latents = autoencoder.encode(images)
    assert torch.equal(latents[:, 0, 0, 0], 2 * images[:, 0, 1, 1])  # the last pixel of a block comes first
    assert torch.equal(autoencoder.decode(latents), images)


def test_without_a_measured_scale_nothing_looks_right(images):
    assert LatentAutoencoder(SwappedBlocks()).encode(images).isnan().all()


def test_the_scale_is_kept_with_the_weights(tmp_path):
    settings = {"spatial_dims": 2, "channels": (4, 8), "num_res_blocks": 1, "attention_levels": (False, False)}
    settings |= {"norm_num_groups": 4, "with_encoder_nonlocal_attn": False, "with_decoder_nonlocal_attn": False}
    autoencoder = LatentAutoencoder(AutoencoderKL(**settings))
    autoencoder.scale.fill_(0.75)
    save_weights(autoencoder, tmp_path / "model.pt")
    other = load_checkpoint(LatentAutoencoder(AutoencoderKL(**settings)), tmp_path / "model.pt")
    assert other.scale == 0.75
    x = torch.randn(1, 1, 8, 8)
    assert torch.equal(other.eval().encode(x), autoencoder.eval().encode(x))


def test_training_samples_the_posterior_and_evaluation_takes_its_mean(images):
    autoencoder = LatentAutoencoder(SwappedBlocks(gain=2.0, sigma=0.5))
    assert torch.equal(autoencoder.eval()(images).images, images)
    torch.manual_seed(0)
    many = images[:1].expand(4000, -1, -1, -1)
    made, mean, sigma = autoencoder.train()(many)
    assert torch.equal(autoencoder.network.decode(mean), many) and (sigma == 0.5).all()
    # noise of 0.5 in latents is noise of 0.5 / gain in pixels
    assert (made - many).std().item() == pytest.approx(0.25, rel=0.01)
    assert (made - many).mean().item() == pytest.approx(0, abs=0.005)
