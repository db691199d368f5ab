import pytest
import torch
from monai.networks.schedulers import DDPMScheduler

from monai_minority.diffusion import RespacedDDPMScheduler, epsilon_from_x0, predict_epsilon, predict_x0, split_variance

TIMESTEPS = torch.tensor([0, 400, 999])


def noised(scheduler):
    x0, noise = torch.rand(3, 1, 4, 4) * 2 - 1, torch.randn(3, 1, 4, 4)
    return x0, noise, scheduler.add_noise(x0, noise, TIMESTEPS)


@pytest.mark.parametrize("kind", [RespacedDDPMScheduler, DDPMScheduler])
@pytest.mark.parametrize("prediction_type", ["epsilon", "sample", "v_prediction"])
def test_true_predictions_give_the_image_and_its_noise_back(kind, prediction_type):
    scheduler = kind(1000, prediction_type=prediction_type)
    x0, noise, x_t = noised(scheduler)
    output = {"epsilon": noise, "sample": x0, "v_prediction": scheduler.get_velocity(x0, noise, TIMESTEPS)}
    with_variance = torch.cat([output[prediction_type], torch.randn_like(noise)], dim=1)
    for model_output in (output[prediction_type], with_variance):
        torch.testing.assert_close(predict_x0(model_output, x_t, TIMESTEPS, scheduler), x0, rtol=0, atol=5e-5)
        estimate = predict_epsilon(model_output, x_t, TIMESTEPS, scheduler)
        # At t = 0 almost nothing of x_t is noise, so float32 leaves it three digits.
        torch.testing.assert_close(estimate, noise, rtol=0, atol=1e-4)


def test_it_clips_as_the_scheduler_does_unless_told():
    output, x_t = torch.full((3, 1, 1, 1), -3.0), torch.full((3, 1, 1, 1), 1.0)
    clipping = RespacedDDPMScheduler(1000, clip_sample_min=-0.5, clip_sample_max=0.5)
    free = RespacedDDPMScheduler(1000, clip_sample=False)
    unclipped = predict_x0(output, x_t, TIMESTEPS, free)
    a = free.alphas_cumprod[TIMESTEPS]
    torch.testing.assert_close(unclipped.flatten().double(), (1 + 3 * (1 - a).sqrt()) / a.sqrt(), rtol=1e-6, atol=0)
    assert torch.equal(predict_x0(output, x_t, TIMESTEPS, clipping), unclipped.clamp(-0.5, 0.5))
    assert torch.equal(predict_x0(output, x_t, TIMESTEPS, clipping, clip=False), unclipped)
    assert torch.equal(predict_x0(output, x_t, TIMESTEPS, free, clip=True), unclipped.clamp(-1, 1))


def test_gradients_reach_network_and_image():
    scheduler = RespacedDDPMScheduler(1000, clip_sample=False)
    x_t = torch.randn(3, 1, 2, 2, requires_grad=True)
    predict_x0(2 * x_t, x_t, TIMESTEPS, scheduler).sum().backward()
    a = scheduler.alphas_cumprod[TIMESTEPS]
    expected = ((1 - 2 * (1 - a).sqrt()) / a.sqrt()).float().view(3, 1, 1, 1).expand_as(x_t)
    torch.testing.assert_close(x_t.grad, expected)


def test_one_timestep_serves_a_batch():
    scheduler = RespacedDDPMScheduler(1000)
    output, x_t = torch.randn(2, 3, 1, 1, 4, 4).unbind()
    for one in (400, torch.tensor(400)):
        same = predict_x0(output, x_t, torch.full((3,), 400), scheduler)
        assert torch.equal(predict_x0(output, x_t, one, scheduler), same)
        assert torch.equal(
            epsilon_from_x0(x_t, x_t, one, scheduler),
            epsilon_from_x0(x_t, x_t, torch.full((3,), 400), scheduler),
        )


def test_half_precision_of_a_network_ends_at_its_output():
    scheduler = RespacedDDPMScheduler(1000)
    output, x_t = torch.randn(3, 1, 4, 4).bfloat16(), torch.randn(3, 1, 4, 4)
    ours = predict_x0(output, x_t, TIMESTEPS, scheduler)
    assert torch.equal(ours, predict_x0(output.float(), x_t, TIMESTEPS, scheduler))


@pytest.mark.parametrize("shape", [(3, 3, 4, 4), (2, 1, 4, 4), (3, 1, 4, 8)])
def test_outputs_of_another_shape_raise(shape):
    with pytest.raises(ValueError, match="model_output"):
        split_variance(torch.zeros(shape), torch.zeros(3, 1, 4, 4))


def test_an_unknown_prediction_type_raises():
    scheduler = RespacedDDPMScheduler(1000)
    scheduler.prediction_type = "score"
    with pytest.raises(ValueError, match="prediction_type"):
        predict_x0(torch.zeros(3, 1, 1, 1), torch.zeros(3, 1, 1, 1), TIMESTEPS, scheduler)
