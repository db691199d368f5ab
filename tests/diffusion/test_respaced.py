"""What both schedulers share, and that MONAI's own inferer drives them."""

import copy

import pytest
import torch
from monai.inferers import DiffusionInferer
from monai.networks.schedulers import DDPMScheduler

from monai_minority.diffusion import RespacedDDIMScheduler, RespacedDDPMScheduler

BOTH = pytest.mark.parametrize("kind", [RespacedDDPMScheduler, RespacedDDIMScheduler])


class Linear(torch.nn.Module):
    """A network whose prediction depends on image and timestep."""

    def forward(self, x, timesteps, context=None):
        return 0.5 * x + timesteps.view(-1, *[1] * (x.ndim - 1)) / 1000


@BOTH
def test_training_tables_survive_respacing_noising_and_half_precision(kind):
    scheduler = kind(1000)
    table = scheduler.alphas_cumprod.clone()
    scheduler.set_timesteps(25)
    image = torch.rand(2, 1, 4, 4).bfloat16()
    noised = scheduler.add_noise(image, torch.randn_like(image), torch.tensor([3, 999]))
    assert noised.dtype == torch.bfloat16
    assert scheduler.alphas_cumprod.dtype == torch.float64
    assert torch.equal(scheduler.alphas_cumprod, table)
    assert len(scheduler.betas) == len(scheduler.alphas) == 1000


@BOTH
@pytest.mark.parametrize(("sections", "steps"), [(250, 250), ("ddim25", 25), ([10, 10], 20), ("10,10", 20)])
def test_timesteps_descend_and_are_training_indices(kind, sections, steps):
    scheduler = kind(1000)
    scheduler.set_timesteps(sections)
    assert scheduler.num_inference_steps == len(scheduler.timesteps) == steps
    assert (scheduler.timesteps.diff() < 0).all()
    assert scheduler.timesteps.dtype == torch.int64
    assert torch.equal(scheduler.timesteps.flip(0), scheduler.chain.timesteps)


@BOTH
def test_a_new_scheduler_keeps_every_step(kind):
    assert kind(50, "improved_cosine").timesteps.tolist() == list(range(49, -1, -1))


@BOTH
def test_noising_and_velocity_equal_those_of_monai(kind):
    ours, theirs = kind(1000), DDPMScheduler(1000, "linear_beta")
    x, noise, t = torch.randn(3, 1, 4, 4), torch.randn(3, 1, 4, 4), torch.tensor([0, 500, 999])
    for name in ("add_noise", "get_velocity"):
        torch.testing.assert_close(
            getattr(ours, name)(x, noise, t), getattr(theirs, name)(x, noise, t), rtol=0, atol=2e-5
        )


def test_the_network_is_fed_rescaled_timesteps_only_if_asked():
    plain, rescaled = RespacedDDPMScheduler(4000), RespacedDDPMScheduler(4000, rescale_timesteps=True)
    t = torch.tensor([0, 17, 3999])
    assert plain.network_timesteps(t).tolist() == [0.0, 17.0, 3999.0]
    assert rescaled.network_timesteps(t).tolist() == [0.0, 4.25, 999.75]
    assert rescaled.network_timesteps(17).dtype == torch.float32


@BOTH
def test_monai_inferer_walks_the_chain(kind):
    scheduler = kind(1000)
    scheduler.set_timesteps(10)
    start = torch.randn(2, 1, 4, 4)
    torch.manual_seed(1)
    sampled = DiffusionInferer(scheduler).sample(start, Linear(), scheduler, verbose=False)
    torch.manual_seed(1)
    x = start
    for t in scheduler.timesteps:
        x, _ = scheduler.step(Linear()(x, torch.tensor([float(t)])), int(t), x)
    assert torch.equal(sampled, x)


@BOTH
def test_a_timestep_that_is_not_kept_raises_and_is_named(kind):
    scheduler = kind(1000)
    scheduler.set_timesteps(25)
    x = torch.zeros(1, 1, 2, 2)
    with pytest.raises(ValueError, match="timestep 998 is not one of the 25"):
        scheduler.step(x, 998, x)


@BOTH
def test_bad_arguments_of_a_step_raise(kind):
    scheduler, x = kind(1000), torch.zeros(1, 1, 2, 2)
    with pytest.raises(ValueError, match="mode"):
        scheduler.step(x, 5, x, guidance=x, mode="noise")
    with pytest.raises(ValueError, match="guidance"):
        scheduler.step(x, 5, x, guidance=x[0], mode="score")
    with pytest.raises(ValueError, match="model_output"):
        scheduler.step(torch.zeros(1, 3, 2, 2), 5, x)
    with pytest.raises(ValueError, match="noise must have"):
        eta = 1.0 if kind is RespacedDDIMScheduler else 0.0
        scheduler.step(x, 5, x, noise=x[0], eta=eta)


@BOTH
@pytest.mark.parametrize(
    ("name", "value"),
    [("prediction_type", "noise"), ("clip_sample_min", 2.0), ("num_train_timesteps", 0)],
)
def test_bad_arguments_of_the_constructor_raise(kind, name, value):
    with pytest.raises(ValueError, match=name):
        kind(**{name: value})


@BOTH
def test_predictions_of_all_types_take_the_same_step(kind):
    x0, noise, t = torch.rand(2, 1, 4, 4) * 2 - 1, torch.randn(2, 1, 4, 4), torch.tensor([500, 500])
    steps = []
    for prediction_type in ("epsilon", "sample", "v_prediction"):
        scheduler = kind(1000, prediction_type=prediction_type)
        x_t = scheduler.add_noise(x0, noise, t)
        velocity = scheduler.get_velocity(x0, noise, t)
        output = {"epsilon": noise, "sample": x0, "v_prediction": velocity}[prediction_type]
        steps.append(scheduler.step(output, 500, x_t, noise=noise)[0])
    torch.testing.assert_close(steps[1], steps[0], rtol=0, atol=1e-5)
    torch.testing.assert_close(steps[2], steps[0], rtol=0, atol=1e-5)


@BOTH
def test_guidance_of_the_score_moves_x0_by_tweedie(kind):
    # x_0 = (x_t + (1 - a) score) / sqrt(a): a gradient g added to the score moves it by (1 - a) / sqrt(a) g.
    plain = kind(1000, clip_sample=False)
    x, output, guidance = torch.randn(3, 2, 1, 4, 4).unbind()
    unguided = plain.step(output, 300, x, noise=x)[1]
    guided = plain.step(output, 300, x, guidance=guidance, mode="score", noise=x)[1]
    a = float(plain.alphas_cumprod[300])
    torch.testing.assert_close(guided - unguided, (1 - a) / a**0.5 * guidance, rtol=0, atol=1e-5)
    not_clipped_again = kind(1000).step(output, 300, x, guidance=100 * guidance, mode="score", noise=x)[1]
    assert not_clipped_again.abs().max() > 2.0


@BOTH
def test_a_generator_repeats_its_noise_and_the_last_step_draws_none(kind):
    scheduler, x = kind(1000), torch.randn(2, 1, 4, 4)
    eta = 0.5 if kind is RespacedDDIMScheduler else 0.0

    def seeded(t):
        generator = torch.Generator().manual_seed(3)
        before = generator.get_state()
        previous, _ = scheduler.step(x, t, x, eta=eta, generator=generator)
        return previous, torch.equal(before, generator.get_state())

    first, untouched = seeded(500)
    assert torch.equal(first, seeded(500)[0])
    assert not untouched
    noise = torch.randn(x.shape, generator=torch.Generator().manual_seed(3))
    assert torch.equal(first, scheduler.step(x, 500, x, eta=eta, noise=noise)[0])
    last, untouched = seeded(0)
    assert untouched
    torch.testing.assert_close(last, scheduler.step(x, 0, x)[1])


@BOTH
def test_a_copy_steps_through_volumes_of_three_channels(kind):
    scheduler = copy.deepcopy(kind(1000))
    scheduler.set_timesteps(5)
    x = torch.zeros(1, 3, 2, 2, 2)
    previous, x0 = scheduler.step(torch.zeros(1, 6, 2, 2, 2), scheduler.timesteps[0], x)
    assert previous.shape == x0.shape == x.shape
