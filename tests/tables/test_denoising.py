"""The loss of networks whose loss is known, beside that of a guess from single pixels."""

import numpy as np
import pandas as pd
import pytest
import torch

from monai_minority.data import ImageStore
from monai_minority.diffusion import RespacedDDPMScheduler
from monai_minority.scoring import L2, EncodedScore, MinorityScore
from monai_minority.tables import MeasureSettings
from monai_minority.tables.denoising import denoising_loss

SCHEDULER = RespacedDDPMScheduler(num_train_timesteps=1000)
SPREAD = 0.3
SIGNAL = SCHEDULER.alphas_cumprod[[125, 375, 625, 875]].numpy()
GUESS = np.mean(SIGNAL * SPREAD**2 / (SIGNAL * SPREAD**2 + 1 - SIGNAL))


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """Grey images: what a pixel is, all others of the image are."""
    grey = np.random.default_rng(0).normal(0, SPREAD, 320).clip(-1, 1).astype(np.float32)
    images = np.broadcast_to(grey[:, None, None, None], (320, 1, 8, 8))
    table = pd.DataFrame({"source": "a", "slice": range(320), "subject": np.arange(320) // 2, "class_label": 1})
    table["split"] = np.where(table["subject"] % 4, "train", "test")
    return ImageStore.create(tmp_path_factory.mktemp("grey") / "store", images, table, (-1, 1))


def score(network, **options) -> MinorityScore:
    return MinorityScore(network, SCHEDULER, L2(), draws=2, common_noise=True, **options)


def by_pixel(x, timesteps):
    a = SCHEDULER.alphas_cumprod[timesteps.long()].view(-1, 1, 1, 1)
    return (1 - a).sqrt() * x / (a * SPREAD**2 + 1 - a)


def by_image(x, timesteps):
    a = SCHEDULER.alphas_cumprod[timesteps.long()].view(-1, 1, 1, 1)
    grey = a.sqrt() * SPREAD**2 * x.mean((1, 2, 3), keepdim=True) / (a * SPREAD**2 + (1 - a) / 64)
    return (x - a.sqrt() * grey) / (1 - a).sqrt()


def test_networks_of_known_loss(store):
    settings = MeasureSettings()
    nothing, pixel, whole = (
        denoising_loss(store, score(network), settings)
        for network in (lambda x, timesteps: torch.zeros_like(x), by_pixel, by_image)
    )
    assert nothing["loss"] == pytest.approx(1, abs=0.02) and nothing["images"] == 64
    assert nothing["guess"] == pytest.approx(GUESS, rel=0.1)
    assert pixel["loss"] == pytest.approx(GUESS, rel=0.3), "the guess; the greys are of 40 subjects"
    assert whole["loss_high"] < 0.1 * whole["guess"], "64 pixels tell of the one grey"
    assert nothing["loss_low"] > nothing["guess"]


def test_latents_and_labels(store):
    latents = EncodedScore(score(by_pixel), lambda images: images[..., ::2, ::2])
    assert denoising_loss(store, latents, MeasureSettings())["loss"] == pytest.approx(GUESS, rel=0.3)

    class Labelled(torch.nn.Module):
        num_classes = 2

        def forward(self, x, timesteps, class_labels):
            assert class_labels.tolist() == [1] * len(x)
            return by_pixel(x, timesteps)

    labelled = score(Labelled())
    found = denoising_loss(store, labelled, MeasureSettings())
    assert found["loss"] == denoising_loss(store, score(by_pixel), MeasureSettings())["loss"]
    assert SCHEDULER.clip_sample and labelled.draws == 2 and labelled.common_noise, "left as they were"
