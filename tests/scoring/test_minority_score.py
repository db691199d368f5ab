"""The score has closed forms: for one Gaussian under its exact denoiser, and for one draw by Corollary 1."""

import pytest
import torch
from torch import nn

from monai_minority.diffusion import RespacedDDPMScheduler
from monai_minority.networks import ADMUNet
from monai_minority.scoring import L1, L2, LPIPS, FeatureDistance, MinorityScore
from monai_minority.scoring.minority_score import seeded_noise

MEAN, STD = 0.2, 0.5


class GaussianDenoiser(nn.Module):
    """The exact noise prediction for pixels drawn from N(mean, STD^2); a label adds itself to the mean."""

    def __init__(self, scheduler):
        super().__init__()
        self.alphas_cumprod = scheduler.alphas_cumprod.float()
        self.batches = []

    def forward(self, x, timesteps, context=None, class_labels=None):
        self.batches.append(len(x))
        a = self.alphas_cumprod[timesteps.long()].view(-1, 1, 1, 1)
        mean = MEAN if class_labels is None else MEAN + class_labels.view(-1, 1, 1, 1)
        gain = (1 - a).sqrt() / (a * STD**2 + 1 - a)
        return gain * (x - a.sqrt() * mean)


def expected_l2(x, alpha, mean=MEAN):
    """Mean score over the noise: ``(1 - w)^2 (x - mean)^2 + w^2 (1 - a) / a``, w the share x_t keeps."""
    kept = alpha * STD**2 / (alpha * STD**2 + 1 - alpha)
    return ((1 - kept) * (x - mean)).square().mean((1, 2, 3)) + kept**2 * (1 - alpha) / alpha


@pytest.fixture
def scheduler():
    return RespacedDDPMScheduler(1000, "improved_linear", clip_sample=False)


@pytest.fixture
def score(scheduler):
    return MinorityScore(GaussianDenoiser(scheduler), scheduler, L2(), timestep=300, draws=8)


@pytest.fixture
def images():
    """Six images ever further from the mean."""
    return MEAN + torch.arange(6.0).view(6, 1, 1, 1) * torch.randn(6, 1, 16, 16).sign() / 4


@pytest.mark.parametrize("entry", ["linear_t60_1ch", "cosine_t90_1ch"])
def test_scores_equal_the_recorded_ones(fixtures_dir, entry):
    recorded = torch.load(fixtures_dir / "scores.pt", weights_only=True)[entry]
    config = recorded["config"]
    resolutions = ",".join(str(config["image_size"] // factor) for factor in config["attention_resolutions"])
    network = ADMUNet.from_guided_diffusion(
        recorded["state_dict"],
        image_size=config["image_size"],
        in_channels=config["in_channels"],
        num_channels=config["model_channels"],
        num_res_blocks=config["num_res_blocks"],
        channel_mult=",".join(map(str, config["channel_mult"])),
        attention_resolutions=resolutions,
        num_head_channels=config["num_head_channels"],
        learn_sigma=config["out_channels"] == 2 * config["in_channels"],
        use_scale_shift_norm=config["use_scale_shift_norm"],
        resblock_updown=config["resblock_updown"],
    )
    scheduler = RespacedDDPMScheduler(recorded["steps"], f"improved_{recorded['noise_schedule']}")
    t, draws, noise = recorded["t_model"], recorded["n_iter"], recorded["noises"]
    l1 = MinorityScore(network, scheduler, L1(), t, draws).distances(recorded["x"], [t], noise=noise)[0]
    torch.testing.assert_close(l1, recorded["l1_mean"], rtol=0, atol=1e-6)
    mean, error = MinorityScore(network, scheduler, L2(), t, draws)(recorded["x"], noise=noise)
    torch.testing.assert_close(mean, recorded["l2_mean"].mean(0), rtol=0, atol=1e-6)
    torch.testing.assert_close(error, recorded["l2_mean"].std(0) / draws**0.5, rtol=0, atol=1e-6)


def test_the_mean_under_the_exact_denoiser_is_the_closed_form(score, images):
    score.draws = 200
    mean, error = score(images, seeds=range(6))
    expected = expected_l2(images, float(score.scheduler.alphas_cumprod[300]))
    assert ((mean - expected).abs() < 4 * error).all()
    assert (error < 0.02 * mean).all()
    assert (mean.diff() > 0).all(), "the further from the mean, the higher the score"


def test_the_standard_error_is_that_of_the_draws(score, images):
    noise = torch.randn(8, *images.shape)
    single = score.distances(images, [300], noise=noise)[0]
    mean, error = score(images, noise=noise)
    torch.testing.assert_close(mean, single.sum(0) / 8)
    torch.testing.assert_close(error, ((single - mean).square().sum(0) / 7 / 8).sqrt())


@pytest.mark.parametrize("schedule", ["improved_linear", "improved_cosine"])
def test_corollary_1(schedule, images):
    scheduler = RespacedDDPMScheduler(1000, schedule, clip_sample=False)
    network = GaussianDenoiser(scheduler)
    score = MinorityScore(network, scheduler, L2())
    noise = torch.randn(1, *images.shape)
    alpha = float(scheduler.alphas_cumprod[score.timestep])
    t = torch.full((6,), score.timestep)
    error = noise[0] - network(scheduler.add_noise(images, noise[0], t), t)
    expected = (1 - alpha) / alpha * error.square().mean((1, 2, 3))
    torch.testing.assert_close(score(images, noise=noise).mean, expected, rtol=1e-5, atol=0)


def test_x0_is_clipped_when_the_scheduler_clips(images):
    scheduler = RespacedDDPMScheduler(1000, "improved_linear")
    score = MinorityScore(lambda x, t: torch.zeros_like(x), scheduler, L1(), timestep=999)
    # If no noise is predicted, x0_hat is x_t / sqrt(a): far above 1 at the last step under noise of 3.
    noise = torch.full((1, 6, 1, 16, 16), 3.0)
    torch.testing.assert_close(score(images, noise=noise).mean, (images - 1).abs().mean((1, 2, 3)))


def test_labels_condition_the_network(score, images):
    labels = torch.tensor([0, 1, 0, 1, 2, 2])
    score.draws = 200
    mean, error = score(images, class_labels=labels, seeds=range(6))
    expected = expected_l2(images, float(score.scheduler.alphas_cumprod[300]), MEAN + labels.view(6, 1, 1, 1))
    assert ((mean - expected).abs() < 4 * error).all()


def test_an_image_depends_on_its_seed_and_not_on_the_batch(score, images):
    seeds = torch.tensor([5, 3, 9, 1, 5, 0])
    whole = score(images, seeds=seeds)
    for max_batch in (1, 4, 20):
        score.max_batch = max_batch
        torch.testing.assert_close(score(images, seeds=seeds).mean, whole.mean, rtol=1e-6, atol=0)
        assert max(score.network.batches[-2:]) <= max_batch
    for i in range(6):
        alone = score(images[i : i + 1], seeds=[int(seeds[i])])
        torch.testing.assert_close(alone.mean[0], whole.mean[i], rtol=1e-6, atol=0)
    assert not torch.equal(score(images, seeds=range(6)).mean, whole.mean)


def test_the_clean_image_is_embedded_once_and_draws_share_a_forward_pass(scheduler, images):
    class Counting(L2):
        embedded = 0

        def embed(self, x):
            self.embedded += len(x)
            return super().embed(x)

    score = MinorityScore(GaussianDenoiser(scheduler), scheduler, Counting(), timestep=300, draws=8)
    score(images, seeds=range(6))
    assert score.distance.embedded == 6 + 8 * 6
    assert score.network.batches == [48]


def test_feature_maps_are_repeated_for_the_draws(scheduler, images):
    class Maps(nn.Module):
        def forward(self, x):
            return [x, x[..., ::2, ::2].square()]

    noise = torch.randn(3, *images.shape)
    distance = FeatureDistance(Maps())
    score = MinorityScore(GaussianDenoiser(scheduler), scheduler, distance, timestep=300, draws=3)
    t = torch.full((6,), 300)
    expected = []
    for drawn in noise:
        x_t = scheduler.add_noise(images, drawn, t)
        a = scheduler.alphas_cumprod[300]
        x0 = (x_t - (1 - a).sqrt() * score.network(x_t, t)) / a.sqrt()
        expected.append(distance(images, x0.float()))
    torch.testing.assert_close(score.distances(images, [300], noise=noise)[0], torch.stack(expected))


def test_the_error_of_one_draw_is_nan(scheduler, images):
    mean, error = MinorityScore(GaussianDenoiser(scheduler), scheduler, L2())(images, seeds=range(6))
    assert mean.isfinite().all() and error.isnan().all()


def test_rescaled_timesteps_reach_the_network(images):
    seen = []

    def network(x, t):
        seen.append(t)
        return torch.zeros_like(x)

    scheduler = RespacedDDPMScheduler(4000, "improved_cosine", rescale_timesteps=True)
    MinorityScore(network, scheduler, L2())(images, seeds=range(6))
    assert seen[0].tolist() == [900.0] * 6


def test_the_network_is_scored_in_evaluation_mode_and_left_as_it_was(scheduler, images):
    network = nn.Sequential(nn.Dropout(0.5))
    network.forward = lambda x, t: network[0](x)
    network.train()
    score = MinorityScore(network, scheduler, L2())
    first, second = (score(images.requires_grad_(), seeds=range(6)).mean for _ in range(2))
    assert torch.equal(first, second) and not first.requires_grad
    assert network.training


def test_the_default_timestep_is_the_papers(scheduler):
    assert MinorityScore(nn.Identity(), scheduler, L2()).timestep == 600


def test_lpips_scores_the_whole_batch(fixtures_dir, scheduler):
    distance = LPIPS("alex", fixtures_dir / "lpips_alex_random.pt")
    images = torch.rand(2, 1, 32, 32) * 2 - 1
    noise = torch.randn(2, *images.shape)
    score = MinorityScore(lambda x, t: torch.zeros_like(x), scheduler, distance, timestep=200, draws=2)
    t = torch.full((2,), 200)
    root = scheduler.alphas_cumprod[200].sqrt().float()
    x0 = torch.stack([scheduler.add_noise(images, drawn, t).float() / root for drawn in noise])
    expected = torch.stack([distance(images, drawn) for drawn in x0]).mean(0)
    torch.testing.assert_close(score(images, noise=noise).mean, expected, rtol=1e-5, atol=0)


def test_wrong_input_is_named(scheduler, score, images):
    network = GaussianDenoiser(scheduler)
    for timestep in (1000, -1, 2.5, "best"):
        with pytest.raises(ValueError, match=r"training index in \[0, 1000\)"):
            MinorityScore(network, scheduler, L2(), timestep)
    with pytest.raises(ValueError, match="draws=0"):
        MinorityScore(network, scheduler, L2(), draws=0)
    with pytest.raises(ValueError, match="got neither"):
        score(images)
    with pytest.raises(ValueError, match="got both"):
        score(images, seeds=range(6), noise=torch.zeros(8, *images.shape))
    with pytest.raises(ValueError, match="got 5 for 6"):
        score(images, seeds=range(5))
    with pytest.raises(ValueError, match=r"got \(6, 1, 16, 16\)"):
        score(images, noise=torch.zeros_like(images))
    with pytest.raises(ValueError, match="class_labels"):
        score(images, class_labels=torch.zeros(2), seeds=range(6))
    with pytest.raises(ValueError, match="call `choose_timestep`"):
        MinorityScore(network, scheduler, L2(), "auto")(images, seeds=range(6))


def test_an_image_has_its_own_stream():
    noise = seeded_noise([3, 17, 3], 2, (1, 3, 5))
    assert noise.shape == (2, 3, 1, 3, 5)
    assert torch.equal(noise[:, 0], noise[:, 2])
    assert torch.equal(noise[:, 1:2], seeded_noise(torch.tensor([17]), 2, (1, 3, 5)))
    assert not torch.equal(noise[0, 0], noise[1, 0])


def test_more_draws_continue_the_stream():
    for shape in [(1, 3, 5), (3, 8, 8)]:
        assert torch.equal(seeded_noise([4], 5, shape)[:2], seeded_noise([4], 2, shape))


def test_noise_is_standard_normal_and_not_the_noise_of_the_bare_seed():
    noise = seeded_noise(range(64), 4, (1, 32, 32))
    assert abs(float(noise.mean())) < 0.01 and abs(float(noise.std()) - 1) < 0.01
    bare = torch.randn(1, 32, 32, generator=torch.Generator().manual_seed(0))
    assert abs(float((bare * noise[0, 0]).mean())) < 0.15


def test_networks_compute_in_the_dtype_and_differences_are_taken_in_float32(scheduler):
    """The features of a sound denoising are close together: rounded to eight bits, their distance is of rounding."""
    seen = []

    class Layer(nn.Conv2d):
        def forward(self, x, *_):
            output = super().forward(x)
            seen.append(output.dtype)
            return output

    network, extractor = Layer(1, 1, 3, padding=1), Layer(3, 8, 3)
    images = torch.rand(4, 1, 16, 16) * 2 - 1
    exact, rough = (
        MinorityScore(network, scheduler, FeatureDistance(extractor), 600, draws=2, autocast=dtype)(
            images, seeds=range(4)
        ).mean
        for dtype in (None, torch.bfloat16)
    )
    assert set(seen[:3]) == {torch.float32} and set(seen[3:]) == {torch.bfloat16} and len(seen) == 6
    assert rough.dtype == torch.float32
    assert not torch.equal(rough, rough.bfloat16().float()), "nothing rounds the score itself"
    torch.testing.assert_close(rough, exact, rtol=0.02, atol=0)
    assert not torch.equal(rough, exact)


def test_common_noise_leaves_no_error_in_differences_of_equally_denoised_images(scheduler):
    """The estimate is 0 plus a part of the noise: then scores of x and of y differ by x^2 - y^2 exactly, in pairs of a
    noise and its negative."""

    def network(x_t, timesteps):
        signal = scheduler.alphas_cumprod[timesteps.long()].view(-1, 1, 1, 1).to(x_t)
        noise = (x_t - signal.sqrt() * levels) / (1 - signal).sqrt()
        return (x_t - signal.sqrt() * 0.1 * noise) / (1 - signal).sqrt()

    scheduler.clip_sample = False
    images = torch.tensor([0.5, -0.25, 0.0]).view(3, 1, 1, 1).expand(3, 1, 8, 8)
    levels = images.repeat(4, 1, 1, 1)
    options = {"timestep": 600, "draws": 4}
    common = MinorityScore(network, scheduler, L2(), **options, common_noise=True)(images, seeds=[3, 4, 5])
    torch.testing.assert_close(common.mean - common.mean[2], torch.tensor([0.25, 0.0625, 0.0]), rtol=0, atol=1e-5)
    own = MinorityScore(network, scheduler, L2(), **options)(images, seeds=[3, 4, 5])
    assert ((own.mean - own.mean[2]) - torch.tensor([0.25, 0.0625, 0.0])).abs().max() > 1e-3
    assert (common.standard_error > 0).all()
    with pytest.raises(ValueError, match="draws must be even with common_noise"):
        MinorityScore(network, scheduler, L2(), draws=3, common_noise=True)
