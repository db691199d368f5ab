"""Guidance by features against closed-form Gaussians: direction, size, and where samples end."""

import numpy as np
import pytest
import torch
from sklearn.covariance import ledoit_wolf
from torch import nn

from monai_minority.diffusion import RespacedDDPMScheduler
from monai_minority.evaluation.features import Thumbnail
from monai_minority.guidance import FeatureGaussians, FeatureGuidance, SamplingState, fit_feature_gaussians
from monai_minority.inferers import GuidedDiffusionInferer

COMMON, RARE = torch.tensor([0.1, -0.2, 0.3, 0.0]), torch.tensor([0.6, 0.1, -0.4, 0.2])
FACTOR = torch.randn(4, 4, generator=torch.Generator().manual_seed(1))
COVARIANCE, NOISE = FACTOR @ FACTOR.T + torch.eye(4), 0.5
GAUSSIANS = FeatureGaussians(COMMON, RARE, COVARIANCE, NOISE)
TIMESTEPS = torch.tensor([0, 400, 999])


@pytest.fixture
def scheduler():
    return RespacedDDPMScheduler(1000, clip_sample=False)


def denoiser(scheduler, std):
    """The noise in data N(0, std^2)."""

    def network(x, timesteps):
        a = scheduler.alphas_cumprod[timesteps.long()].view(-1, 1, 1, 1).to(x)
        return (1 - a).sqrt() * x / (a * std**2 + 1 - a)

    return network


def state(scheduler, network, x_t):
    return SamplingState(x_t, TIMESTEPS, scheduler, network)


def alphas(scheduler):
    return scheduler.alphas_cumprod[TIMESTEPS].double().view(-1, 1, 1, 1)


def noised_direction(a):
    """``(a C + (1 - a) noise)^-1 (rare - common)`` for one ``a``, float64 ``[1, 1, 2, 2]``."""
    covariance = a * COVARIANCE.double() + (1 - a) * NOISE * torch.eye(4)
    return torch.linalg.solve(covariance, (RARE - COMMON).double()).view(1, 1, 2, 2)


@pytest.mark.parametrize("a", [1.0, 0.3])
def test_the_log_ratio_is_half_the_difference_of_squared_mahalanobis_distances(a):
    features = torch.randn(7, 4)
    precision = torch.linalg.inv(a * COVARIANCE + (1 - a) * NOISE * torch.eye(4))
    common, rare = (((features - mean) @ precision * (features - mean)).sum(1) for mean in (COMMON, RARE))
    found = GAUSSIANS.log_ratio(features, torch.full((7,), a))
    torch.testing.assert_close(found, (common - rare) / 2, rtol=1e-3, atol=1e-4)
    if a == 1:
        assert torch.equal(GAUSSIANS.log_ratio(features), found), "clean images"


def test_direction_and_size_of_the_gradient(scheduler):
    """Of the pixels, wherever the state lies; from the difference of the means to the direction of clean images."""
    term = FeatureGuidance(nn.Flatten(), GAUSSIANS, scale=1.5)
    found = term.gradient(state(scheduler, denoiser(scheduler, 0.5), 3 * torch.randn(3, 1, 2, 2)))
    expected = torch.cat([1.5 * a.sqrt() * noised_direction(a) for a in alphas(scheduler).flatten()])
    torch.testing.assert_close(found.double(), expected, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("std", [1.0, 0.5])
def test_it_is_what_differentiating_the_network_gives_for_gaussian_data(scheduler, std):
    gaussians = FeatureGaussians(COMMON, RARE, std**2 * torch.eye(4))
    x_t = torch.randn(3, 1, 2, 2)
    exact, plain = (
        FeatureGuidance(nn.Flatten(), gaussians, jacobian=through).gradient(
            state(scheduler, denoiser(scheduler, std), x_t)
        )
        for through in (True, False)
    )
    # at t = 999 the network's output and its input cancel to three digits
    torch.testing.assert_close(exact, plain, rtol=1e-3, atol=5e-3)
    a = alphas(scheduler)
    expected = a.sqrt() / (a * std**2 + 1 - a) * (RARE - COMMON).view(1, 1, 2, 2).double()
    torch.testing.assert_close(plain.double(), expected, rtol=1e-4, atol=1e-6)


def test_features_that_bend(scheduler):
    """Of squares, whose gradient changes with the estimate: the chain rule by hand."""
    network, x_t = denoiser(scheduler, 0.5), torch.randn(3, 1, 2, 2)
    x0 = state(scheduler, network, x_t).x0.detach().double()
    found = FeatureGuidance(lambda x: x.flatten(1) ** 2, GAUSSIANS).gradient(state(scheduler, network, x_t))
    directions = torch.cat([a.sqrt() * noised_direction(a) for a in alphas(scheduler).flatten()])
    torch.testing.assert_close(found.double(), directions * 2 * x0, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("scale", [1.0, 2.0])
@pytest.mark.parametrize("size", [16, 4])
def test_scale_one_turns_the_common_into_the_rare(scheduler, size, scale):
    """Data N(0, 0.5^2) of 16 x 16 pixels, features their means over cells: each cell ends at its rare mean, times the
    scale, with the spread of the data."""
    cells = size**2
    pixels = 256 // cells
    rare = torch.tensor([0.8, -0.5]).repeat_interleave(cells // 2)
    gaussians = FeatureGaussians(torch.zeros(cells), rare, 0.25 / pixels * torch.eye(cells), noise=1 / pixels)
    term = FeatureGuidance(Thumbnail(size), gaussians, scale)
    inferer = GuidedDiffusionInferer(scheduler, term, mode="score", steps=250)
    images = inferer.sample(denoiser(scheduler, 0.5), range(16), (1, 16, 16), progress=False)
    for half, mean in zip(images.flatten(1).split(128, dim=1), (0.8, -0.5), strict=True):
        assert abs(half.mean() - scale * mean) < 4 * 0.5 / half.numel() ** 0.5
        assert abs(half.std() - 0.5) < 0.05  # ancestral sampling of 250 steps lacks 3 %


def test_it_never_moves_the_estimate_by_more_than_the_difference_of_the_means(scheduler):
    """In ``mode="score"`` the estimate moves by ``(1 - a_t) / sqrt(a_t)`` times the gradient, at scale 1."""
    spread = FeatureGaussians(torch.zeros(4), RARE, torch.diag(torch.tensor([1e-6, 0.1, 10.0, 1e-6])))
    found = FeatureGuidance(nn.Flatten(), spread).gradient(
        state(scheduler, denoiser(scheduler, 0.5), torch.randn(3, 1, 2, 2))
    )
    a = alphas(scheduler)
    moved = ((1 - a) / a.sqrt() * found).abs().flatten(1)
    assert (moved <= RARE.abs().double() * 1.001).all()
    assert (moved[2] > 0.99 * RARE.abs()).all(), "and under strong noise by all of it"


def test_nothing_goes_back_through_the_network_and_it_is_evaluated_once(scheduler):
    seen = []

    def network(x, timesteps):
        seen.append(torch.is_grad_enabled() and x.requires_grad)
        return x

    now = state(scheduler, network, torch.randn(3, 1, 2, 2))
    FeatureGuidance(nn.Flatten(), GAUSSIANS).gradient(now)
    assert now.output is not None and seen == [False]


def test_under_autocast_the_ratio_keeps_its_precision(scheduler):
    features, a = torch.randn(64, 4), torch.rand(64)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = FeatureGaussians(COMMON, RARE, COVARIANCE, NOISE).log_ratio(features, a)
    assert torch.equal(found, GAUSSIANS.log_ratio(features, a)) and found.dtype == torch.float32


class TestFit:
    def test_means_of_the_ends_and_a_shrunk_covariance_of_both(self):
        rng = np.random.default_rng(0)
        features, scores = rng.normal(size=(50, 3)), rng.permutation(50)
        found = fit_feature_gaussians(features, scores, common_up_to=19, rare_from=45)
        common, rare = features[scores < 20], features[scores >= 45]
        np.testing.assert_allclose(found.common, common.mean(0), rtol=1e-6)
        np.testing.assert_allclose(found.rare, rare.mean(0), rtol=1e-6)
        around = np.concatenate([common - common.mean(0), rare - rare.mean(0)])
        np.testing.assert_allclose(found.covariance, ledoit_wolf(around, assume_centered=True)[0], rtol=1e-5, atol=1e-7)

    def test_many_images_give_the_direction_of_the_closed_form(self):
        rng = np.random.default_rng(0)
        covariance = np.array([[1.0, 0.6], [0.6, 2.0]])
        scores = np.arange(20000)
        features = rng.multivariate_normal([0, 0], covariance, len(scores))
        features[scores >= 15000] += [1.0, -1.0]
        found = fit_feature_gaussians(features, scores, common_up_to=10000, rare_from=15000)
        np.testing.assert_allclose(
            found.direction(torch.ones(1))[0], np.linalg.solve(covariance, [1.0, -1.0]), atol=0.06
        )

    def test_fewer_images_than_features(self):
        features = np.random.default_rng(0).normal(size=(20, 100))
        assert fit_feature_gaussians(features, np.arange(20), 9, 18).direction(torch.ones(2)).isfinite().all()

    def test_what_does_not_fit_is_named(self, scheduler):
        features, scores = np.random.default_rng(0).normal(size=(20, 3)), np.arange(20.0)
        with pytest.raises(ValueError, match="common_up_to must be below rare_from, got 12 and 10; lower the first"):
            fit_feature_gaussians(features, scores, 12, 10)
        with pytest.raises(ValueError, match="got 11 up to a score of 10 and 1 from 19; let the bounds leave more"):
            fit_feature_gaussians(features, scores, 10, 19)
        with pytest.raises(ValueError, match=r"features must be \[N, D\] for N = 20 scores, got \[20, 3, 1\]"):
            fit_feature_gaussians(features[..., None], scores, 10, 15)
        with pytest.raises(ValueError, match="must be finite"):
            fit_feature_gaussians(features, np.where(scores == 3, np.nan, scores), 10, 15)
        with pytest.raises(ValueError, match="noise must be positive, got 0"):
            fit_feature_gaussians(features, scores, 10, 15, noise=0)
        with pytest.raises(ValueError, match="features must vary"):
            fit_feature_gaussians(np.ones((20, 3)), scores, 10, 15)
        with pytest.raises(ValueError, match=r"extractor must give \[B, 4\], .* got \[3, 1\]; fit them with the same"):
            FeatureGuidance(lambda x: x[:, 0, 0, :1], GAUSSIANS).gradient(
                state(scheduler, denoiser(scheduler, 1.0), torch.randn(3, 1, 2, 2))
            )
