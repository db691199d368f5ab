"""The paper's timestep for each schedule; and the choice of one on a mixture whose exact denoiser and whose truly rare
images are known.
"""

import numpy as np
import pandas as pd
import pytest
import torch
from monai.networks.schedulers import DDIMScheduler, DDPMScheduler
from pyod.models.knn import KNN
from scipy.stats import spearmanr
from torch import nn

from monai_minority.diffusion import RespacedDDPMScheduler
from monai_minority.scoring import L2, FeatureDistance, MinorityScore, choose_timestep
from monai_minority.scoring.timestep import CRITERIA, default_timestep

STD = 0.15
FRACTIONS = (0.02, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)


class MixtureDenoiser(nn.Module):
    """The exact noise prediction for images from a mixture of round Gaussians."""

    def __init__(self, scheduler, centres, weights):
        super().__init__()
        self.alphas_cumprod = scheduler.alphas_cumprod.float()
        self.centres, self.weights = centres, weights
        self.seen = 0

    def forward(self, x, timesteps, context=None, class_labels=None):
        self.seen += len(x)
        a = self.alphas_cumprod[timesteps.long()].view(-1, 1)
        variance = a * STD**2 + 1 - a
        centred = x.flatten(1)[:, None] - a.sqrt()[..., None] * self.centres
        share = (self.weights.log() - centred.square().sum(-1) / (2 * variance)).softmax(1)
        score = -(share[..., None] * centred).sum(1) / variance
        return (-(1 - a).sqrt() * score).view_as(x)


@pytest.fixture(scope="module")
def mixture():
    """300 images of 6 x 6: three common kinds and, 5 % of all, twelve rare ones of a single image or two."""
    generator = torch.Generator().manual_seed(11)
    centres = torch.randn(15, 36, generator=generator) * 0.4
    weights = torch.tensor([0.95 / 3] * 3 + [0.05 / 12] * 12)
    kinds = torch.multinomial(weights, 300, replacement=True, generator=generator)
    noise = torch.randn(300, 36, generator=generator)
    images = (centres[kinds] + STD * noise).view(300, 1, 6, 6)
    scheduler = RespacedDDPMScheduler(1000, "improved_linear", clip_sample=False)
    network = MixtureDenoiser(scheduler, centres, weights)
    return MinorityScore(network, scheduler, L2(), "auto", draws=2), images, kinds


@pytest.fixture(scope="module")
def choice(mixture):
    score, images, _ = mixture
    return choose_timestep(score, images, fractions=FRACTIONS, max_images=300, progress=False)


def area_under_curve(scores, rare):
    """Chance that a rare image scores above a common one."""
    return float((scores[rare][:, None] > scores[~rare]).float().mean())


def test_the_chosen_timestep_finds_the_rare_images_nearly_as_well_as_the_best(mixture, choice):
    score, images, kinds = mixture
    assert choice.criterion == "skewness"
    timesteps = choice.curve["timestep"].tolist()
    scores = score.distances(images, timesteps, seeds=range(300)).mean(1)
    areas = [area_under_curve(row, kinds >= 3) for row in scores]
    chosen = areas[timesteps.index(choice.timestep)]
    assert chosen > 0.9
    assert chosen > max(areas) - 0.02
    assert areas[0] < 0.6 and areas[-1] < 0.6, "too small shows no difference, too large erases everything"


def test_each_column_is_what_it_says(mixture, choice):
    score, images, _ = mixture
    single = score_draws(score, images, choice.curve["timestep"].tolist()).double().numpy()
    within = single.var(1, ddof=1).mean(1)
    scores = single.mean(1)
    between = np.maximum(scores.var(1, ddof=1) - within / 4, 0)
    isolation = KNN(n_neighbors=5, method="mean").fit(images.flatten(1).numpy()).decision_scores_
    outlier = torch.from_numpy(isolation > np.quantile(isolation, 0.9))
    low, median, high = np.quantile(scores, [0.05, 0.5, 0.95], axis=1)
    expected = {
        "fraction": FRACTIONS,
        "mean": scores.mean(1),
        "between_std": between**0.5,
        "standard_error": (within / 2) ** 0.5,
        "reliability": between / (between + within / 2),
        "variation": between**0.5 / scores.mean(1),
        "tail": (high - median) / (median - low),
        "skewness": ((scores - scores.mean(1, keepdims=True)) ** 3).mean(1) / scores.var(1) ** 1.5,
        "outlier_agreement": [area_under_curve(torch.from_numpy(row), outlier) for row in scores],
        "density_agreement": [spearmanr(row, isolation).statistic for row in scores],
    }
    pd.testing.assert_frame_equal(choice.curve[list(expected)], pd.DataFrame(expected), rtol=1e-6)


def score_draws(score, images, timesteps):
    """Four draws of every image at each timestep, from the seeds that the choice gives to rows 0, 1, 2, …"""
    four = MinorityScore(score.network, score.scheduler, score.distance, "auto", draws=4)
    return four.distances(images, timesteps, seeds=range(len(images)))


@pytest.mark.parametrize("criterion", CRITERIA)
def test_the_chosen_timestep_maximises_the_named_column(mixture, criterion):
    score, images, _ = mixture
    choice = choose_timestep(score, images, criterion=criterion, max_images=60, progress=False)
    best = choice.curve[criterion].idxmax()
    assert choice.timestep == choice.curve["timestep"][best] and choice.criterion == criterion
    assert choice.curve["timestep"].tolist() == [100, 200, 300, 400, 500, 600, 700, 800, 900]


def test_true_reliability_is_found_from_few_draws(mixture):
    score, images, _ = mixture
    curve = choose_timestep(score, images, fractions=(0.3,), max_images=300, progress=False).curve
    many = MinorityScore(score.network, score.scheduler, L2(), "auto", draws=100)
    single = many.distances(images, [300], seeds=range(1000, 1300))[0]
    between, within = single.mean(0).var(), single.var(0).mean()
    expected = float(between / (between + within / score.draws))
    assert curve["reliability"][0] == pytest.approx(expected, abs=0.05)


def test_an_auto_score_keeps_the_choice(mixture):
    score, images, _ = mixture
    auto = MinorityScore(score.network, score.scheduler, L2(), "auto")
    choice = auto.choose_timestep(images, fractions=(0.3, 0.6), max_images=50, progress=False)
    assert auto.timestep == choice.timestep in (300, 600)
    assert auto(images[:2], seeds=[0, 1]).mean.shape == (2,)
    assert auto.draws == 1


def test_at_most_max_images_are_scored_and_the_seed_decides(mixture):
    score, images, _ = mixture
    score.network.seen = 0
    options = {"fractions": (0.2, 0.5), "max_images": 40, "draws": 3, "progress": False}
    first = choose_timestep(score, images, **options).curve
    assert score.network.seen == 2 * 40 * 3
    pd.testing.assert_frame_equal(first, choose_timestep(score, images, **options).curve)
    assert not first.equals(choose_timestep(score, images, seed=1, **options).curve)


def test_classes_are_compared_within_themselves(mixture):
    score, images, _ = mixture
    images = images[:100]
    labels = torch.tensor([0] * 60 + [1] * 40)
    options = {"fractions": (0.3, 0.6), "max_images": 100, "progress": False}
    joint = choose_timestep(score, images, labels, **options).curve
    single = score_draws(score, images, [300, 600]).double()
    rows = [slice(0, 60), slice(60, 100)]
    isolation = [
        KNN(n_neighbors=5, method="mean").fit(images[part].flatten(1).numpy()).decision_scores_ for part in rows
    ]
    scores = single.mean(1)
    for i in range(2):
        parts = [spearmanr(scores[i, part], near).statistic for part, near in zip(rows, isolation, strict=True)]
        assert joint["density_agreement"][i] == pytest.approx(0.6 * parts[0] + 0.4 * parts[1])


def test_features_may_be_given_or_come_from_averaged_maps(mixture):
    score, images, _ = mixture
    options = {"fractions": (0.4,), "max_images": 300, "progress": False}

    class Maps(nn.Module):
        def forward(self, x):
            return [x.repeat_interleave(4, -1).repeat_interleave(4, -2)]

    mapped = MinorityScore(score.network, score.scheduler, FeatureDistance(Maps()), "auto")
    # Neighbours are those of the enlarged units (each pixel scaled to length 1), averaged down to 8 x 8.
    units = images.sign().repeat_interleave(4, -1).repeat_interleave(4, -2)
    averaged = torch.nn.functional.adaptive_avg_pool2d(units, 8).flatten(1)
    found = choose_timestep(mapped, images, **options).curve
    given = choose_timestep(mapped, images, features=averaged, **options).curve
    assert found["density_agreement"][0] == pytest.approx(given["density_agreement"][0], abs=1e-3)


def test_wrong_input_is_named(mixture):
    score, images, _ = mixture
    with pytest.raises(ValueError, match="criterion must be one of"):
        choose_timestep(score, images, criterion="best")
    with pytest.raises(ValueError, match="draws must be at least 2"):
        choose_timestep(score, images, draws=1)
    with pytest.raises(ValueError, match=r"shares of T in \[0, 1\)"):
        choose_timestep(score, images, fractions=(0.5, 1.0))
    with pytest.raises(ValueError, match="at least neighbours"):
        choose_timestep(score, images[:6])
    with pytest.raises(ValueError, match="'density_agreement' is undefined at every timestep"):
        equal = torch.zeros(20, 1)
        choose_timestep(score, images[:20], criterion="density_agreement", features=equal, progress=False)


@pytest.mark.parametrize(
    ("scheduler", "expected"),
    [
        (DDPMScheduler(1000, schedule="linear_beta"), 600),
        (DDIMScheduler(1000, schedule="scaled_linear_beta", beta_start=0.0015, beta_end=0.0195), 600),
        (DDPMScheduler(1000, schedule="cosine"), 900),
        (RespacedDDPMScheduler(1000, "improved_linear"), 600),
        (RespacedDDPMScheduler(1000, "improved_cosine"), 900),
        (RespacedDDPMScheduler(4000, "improved_cosine"), 3600),
        (RespacedDDPMScheduler(50, "linear_beta", beta_start=1e-3, beta_end=0.2), 30),
    ],
)
def test_the_default_is_the_papers_share_of_the_steps(scheduler, expected):
    assert default_timestep(scheduler) == expected


def test_respacing_does_not_change_the_default():
    scheduler = RespacedDDPMScheduler(1000, "improved_cosine")
    scheduler.set_timesteps(25)
    assert default_timestep(scheduler) == 900


def test_another_schedule_has_no_default():
    with pytest.raises(ValueError, match="follows neither"):
        default_timestep(DDPMScheduler(1000, schedule="sigmoid_beta"))
