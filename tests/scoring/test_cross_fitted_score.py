"""No image is scored by a network that saw its subject: networks that know by heart what they learned from show it."""

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from monai_minority.data import folds_by_subject
from monai_minority.diffusion import RespacedDDPMScheduler
from monai_minority.scoring import L2, CrossFittedScore, EncodedScore, MinorityScore

SUBJECTS, SLICES, COUNT, TRAINED = 14, 3, 4, 10
SCHEDULER = RespacedDDPMScheduler(num_train_timesteps=1000)
OPTIONS = {"scheduler": SCHEDULER, "distance": L2(), "timestep": 50, "draws": 2}


class Remembers(nn.Module):
    """The exact denoiser of what it learned from: it gives back the one of these images that is nearest."""

    def __init__(self, images: torch.Tensor) -> None:
        super().__init__()
        self.images = images

    def forward(self, x: torch.Tensor, timesteps: torch.Tensor) -> torch.Tensor:
        signal = SCHEDULER.alphas_cumprod[timesteps.long()].view(-1, 1, 1, 1).to(x)
        known = self.images.flatten(1)
        apart = (x.flatten(1)[:, None] - signal[:, 0].sqrt() * known).square().sum(-1) / (1 - signal[:, 0, 0]) / 2
        found = torch.softmax(-apart, dim=1) @ known
        return (x - signal.sqrt() * found.view_as(x)) / (1 - signal).sqrt()


@pytest.fixture(scope="module")
def images() -> torch.Tensor:
    """Slices of a subject are nearly the same image, and subjects are far apart."""
    generator = torch.Generator().manual_seed(0)
    people = torch.rand(SUBJECTS, 1, 1, 6, 6, generator=generator) * 2 - 1
    slices = people + 0.01 * torch.randn(SUBJECTS, SLICES, 1, 6, 6, generator=generator)
    return slices.flatten(0, 1).clamp(-1, 1)


@pytest.fixture(scope="module")
def table() -> pd.DataFrame:
    subject = np.repeat(np.arange(SUBJECTS), SLICES)
    return pd.DataFrame({"subject": [f"p{s}" for s in subject], "split": np.where(subject < TRAINED, "train", "test")})


def networks_of(images: torch.Tensor, trained: np.ndarray, folds: np.ndarray) -> list[Remembers]:
    return [Remembers(images[torch.from_numpy(trained & (folds != fold))]) for fold in range(COUNT)]


def test_no_subject_is_scored_by_a_network_that_saw_it(images, table):
    folds, trained = folds_by_subject(table, COUNT), (table["split"] == "train").to_numpy(copy=True)
    common = Remembers(images[torch.from_numpy(trained)])
    seeds = torch.arange(len(images)) + 7
    seen = MinorityScore(common, **OPTIONS)(images, seeds=seeds).mean.numpy()
    networks = networks_of(images, trained, folds)
    unseen = CrossFittedScore(networks, folds, 7, network=common, **OPTIONS)(images, seeds=seeds).mean.numpy()
    assert seen[trained].max() < 0.01 < 0.1 < seen[~trained].min(), "it knows what it learned by heart"
    assert unseen.min() > 0.1, "which here no image is"
    # Folds of images instead of subjects let another slice of the subject through.
    leaking = np.arange(len(images)) % COUNT
    leaky = CrossFittedScore(networks_of(images, trained, leaking), leaking, 7, network=common, **OPTIONS)
    assert leaky(images, seeds=seeds).mean.numpy()[trained].max() < 0.01


def test_equal_networks_give_the_plain_score(images, table):
    network = Remembers(images[:9])
    folds, seeds = folds_by_subject(table, COUNT), torch.arange(len(images))
    plain = MinorityScore(network, **OPTIONS)
    shared = CrossFittedScore([network] * COUNT, folds, network=network, max_batch=5, **OPTIONS)
    expected, found = plain(images, seeds=seeds), shared(images, seeds=seeds)
    torch.testing.assert_close(found.mean, expected.mean, rtol=1e-5, atol=1e-7)
    torch.testing.assert_close(found.standard_error, expected.standard_error, rtol=1e-4, atol=1e-6)
    backwards = shared(images.flip(0), seeds=seeds.flip(0)).mean.flip(0)
    torch.testing.assert_close(backwards, expected.mean, rtol=1e-5, atol=1e-7)
    # The timestep is that of the common network, whose training images these are, whatever the others would choose.
    blank = CrossFittedScore([nn.Identity()] * COUNT, folds, network=network, **OPTIONS | {"timestep": "auto"})
    choices = [
        score.choose_timestep(images, criterion="reliability", progress=False)
        for score in (blank, MinorityScore(network, **OPTIONS | {"timestep": "auto"}))
    ]
    assert choices[0].curve.equals(choices[1].curve) and blank.timestep == choices[1].timestep


def test_latents_are_scored_by_the_networks_of_their_folds(images, table):
    folds, seeds = folds_by_subject(table, COUNT), torch.arange(len(images))
    small = images[..., ::2, ::2]
    networks = networks_of(small, (table["split"] == "train").to_numpy(), folds)
    score = CrossFittedScore(networks, folds, network=networks[0], **OPTIONS)
    encoded = EncodedScore(score, lambda x: x[..., ::2, ::2])
    assert torch.equal(encoded(images, seeds=seeds).mean, score(small, seeds=seeds).mean)


def test_generated_images_are_shared_out_by_their_seeds(images):
    networks = [Remembers(images[:3]), Remembers(images[3:6])]
    score = CrossFittedScore(networks, [0, 1], network=networks[0], **OPTIONS)
    found = score(images[:4], seeds=[10, 11, 12, 13]).mean
    for fold in (0, 1):
        single = MinorityScore(networks[fold], **OPTIONS)(images[:4], seeds=[10, 11, 12, 13]).mean
        torch.testing.assert_close(found[fold::2], single[fold::2])


def test_what_does_not_fit_is_said(images):
    with pytest.raises(ValueError, match="the store has no column fold; run the stage split_folds first"):
        CrossFittedScore([nn.Identity()], None, network=nn.Identity(), **OPTIONS)
    with pytest.raises(ValueError, match=r"folds must be 0 … 1, one for each network, got \[0, 1, 2\]"):
        CrossFittedScore([nn.Identity()] * 2, [0, 1, 2], network=nn.Identity(), **OPTIONS)
    score = CrossFittedScore([nn.Identity()] * 2, [0, 1], network=nn.Identity(), **OPTIONS)
    with pytest.raises(ValueError, match="seeds must be given to a cross-fitted score, got noise"):
        score(images[:2], noise=torch.zeros(2, 2, 1, 6, 6))
