"""Under an autoencoder that loses nothing, diffusion in latents is diffusion in pixels, to a few roundings."""

import numpy as np
import pytest
import torch
from monai.engines import PrepareBatchExtraInput, SupervisedEvaluator
from torch import nn
from torch.utils.data import DataLoader

from monai_minority.diffusion import RespacedDDPMScheduler, SeededNoise
from monai_minority.guidance import MinorityClassifierGuidance
from monai_minority.inferers import EncodingInferer, GuidedDiffusionInferer, LatentDiffusionInferer
from monai_minority.networks import LatentAutoencoder
from tests.inferers.test_guided import SmallClassifier, SmallNetwork
from tests.toy_autoencoder import SwappedBlocks

PIXELS, LATENTS = (1, 8, 8), (4, 4, 4)


class InPixels(nn.Module):
    """Calls a network of images on latents, and gives latents where that gives images."""

    def __init__(self, network: nn.Module, autoencoder: LatentAutoencoder) -> None:
        super().__init__()
        self.network = network
        self.autoencoder = autoencoder

    def forward(self, x, timesteps):
        output = self.network(self.autoencoder.decode(x), timesteps)
        return output if output.ndim == 2 else self.autoencoder.encode(output)


@pytest.fixture
def autoencoder():
    """Of scale and gain whose product is 1: noise of latents is then noise of pixels."""
    autoencoder = LatentAutoencoder(SwappedBlocks(gain=0.5))
    autoencoder.scale.fill_(2.0)
    return autoencoder


def scheduler(clip=False):
    return RespacedDDPMScheduler(1000, "improved_linear", clip_sample=clip)


def networks():
    torch.manual_seed(0)
    return SmallNetwork(), SmallClassifier()


def both(autoencoder, **options):
    """Inferer and network of pixels, and their latent twins."""
    network, classifier = networks()
    pixel = GuidedDiffusionInferer(scheduler(), MinorityClassifierGuidance(classifier, 3.0), steps=8, **options)
    guidance = MinorityClassifierGuidance(InPixels(classifier, autoencoder), 3.0)
    latent = GuidedDiffusionInferer(scheduler(), guidance, steps=8, **options)
    return (pixel, network), (LatentDiffusionInferer(latent, autoencoder), InPixels(network, autoencoder))


@pytest.mark.parametrize("mode", ["mean", "score"])
def test_guided_sampling_in_latents_equals_that_in_pixels(autoencoder, mode):
    (pixel, network), (latent, wrapped) = both(autoencoder, mode=mode)
    stream = SeededNoise(range(5), LATENTS)
    drawn = [stream() for _ in range(9)]  # the initial noise and one of each step
    given = iter([autoencoder.decode(noise) for noise in drawn])
    expected = pixel.sample(
        network, range(5), PIXELS, target_class=2, batch_size=5, noise=lambda: next(given), progress=False
    )
    found = latent.sample(wrapped, range(5), LATENTS, target_class=2, batch_size=5, progress=False)
    assert found.shape == (5, *PIXELS)
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)
    unguided = LatentDiffusionInferer(GuidedDiffusionInferer(scheduler(), steps=8), autoencoder)
    assert (found - unguided.sample(wrapped, range(5), LATENTS, progress=False)).abs().max() > 1e-3


def test_an_image_does_not_depend_on_its_batch(autoencoder):
    _, (latent, wrapped) = both(autoencoder)
    whole = latent.sample(wrapped, range(6), LATENTS, target_class=1, batch_size=6, progress=False)
    parts = latent.sample(wrapped, [4, 2], LATENTS, target_class=1, batch_size=1, progress=False)
    torch.testing.assert_close(parts, whole[[4, 2]], rtol=1e-4, atol=1e-4)
    assert (whole[4] - whole[2]).abs().max() > 0.1


def test_an_engine_gets_images(autoencoder):
    _, (latent, wrapped) = both(autoencoder, shape=LATENTS)
    expected = latent.sample(wrapped, [3, 4], LATENTS, target_class=[0, 1], progress=False)
    outputs = []
    evaluator = SupervisedEvaluator(
        torch.device("cpu"),
        DataLoader([{"image": 3, "target_class": 0}, {"image": 4, "target_class": 1}], batch_size=2),
        wrapped,
        inferer=latent,
        prepare_batch=PrepareBatchExtraInput({"target_class": "target_class"}),
        decollate=False,
    )
    evaluator.add_event_handler("ITERATION_COMPLETED", lambda engine: outputs.append(engine.state.output["pred"]))
    evaluator.run()
    torch.testing.assert_close(outputs[0], expected, rtol=1e-5, atol=1e-6)


def test_a_scheduler_that_clips_is_refused(autoencoder):
    with pytest.raises(ValueError, match="clip_sample must be False for latents"):
        LatentDiffusionInferer(GuidedDiffusionInferer(scheduler(clip=True)), autoencoder)


def test_encoding_is_the_networks(autoencoder):
    images = torch.randn(2, *PIXELS)
    assert torch.equal(EncodingInferer()(images, autoencoder), autoencoder.encode(images))
    assert np.array_equal(autoencoder.decode(EncodingInferer()(images, autoencoder)), images)
