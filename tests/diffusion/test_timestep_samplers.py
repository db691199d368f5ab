import pytest
import torch

from monai_minority.diffusion import LossSecondMomentTimestepSampler, UniformTimestepSampler

BOTH = pytest.mark.parametrize("kind", [UniformTimestepSampler, LossSecondMomentTimestepSampler])


def warmed(steps=4, history=3, **options):
    sampler = LossSecondMomentTimestepSampler(steps, history=history, **options)
    for round_ in range(history):
        sampler.update(torch.arange(steps), torch.arange(1.0, steps + 1) + round_)
    return sampler


def test_uniform_draws_weigh_one_and_cover_the_chain():
    timesteps, weights = UniformTimestepSampler(10).sample(20000)
    assert torch.equal(weights, torch.ones(20000))
    shares = torch.bincount(timesteps, minlength=10) / 20000
    assert shares == pytest.approx(0.1, abs=0.01)


def test_probabilities_are_the_root_mean_squares_of_the_history():
    sampler = warmed()
    losses = torch.tensor([[1, 2, 3], [2, 3, 4], [3, 4, 5], [4, 5, 6]], dtype=torch.float64)
    moments = (losses**2).mean(1).sqrt()
    expected = 0.999 * moments / moments.sum() + 0.001 / 4
    torch.testing.assert_close(sampler.probabilities(), expected, rtol=0, atol=1e-15)


def test_weights_keep_the_loss_unbiased():
    sampler = warmed()
    losses = torch.tensor([5.0, 1.0, 7.0, 3.0])
    timesteps, weights = sampler.sample(40000)
    torch.testing.assert_close(weights.double(), 1 / (4 * sampler.probabilities()[timesteps]), rtol=1e-6, atol=0)
    assert (losses[timesteps] * weights).mean() == pytest.approx(losses.mean().item(), rel=0.02)


def test_draws_are_uniform_until_every_history_is_full():
    sampler = LossSecondMomentTimestepSampler(3, history=2)
    sampler.update(torch.tensor([0, 1, 2, 0, 1]), torch.tensor([1.0, 2.0, 9.0, 1.0, 2.0]))
    assert not sampler.warmed_up
    assert sampler.probabilities() == pytest.approx(1 / 3)
    sampler.update(torch.tensor([2]), torch.tensor([9.0]))
    assert sampler.warmed_up
    assert sampler.probabilities()[2] == pytest.approx(0.75, abs=1e-3)


def test_a_batch_with_repeats_equals_its_losses_one_by_one():
    generator = torch.Generator().manual_seed(0)
    timesteps = torch.randint(0, 5, (200,), generator=generator)
    losses = torch.rand(200, generator=generator)
    at_once, one_by_one = (LossSecondMomentTimestepSampler(5, history=3) for _ in range(2))
    for start in range(0, 200, 40):
        at_once.update(timesteps[start : start + 40], losses[start : start + 40])
    for i in range(200):
        one_by_one.update(timesteps[i : i + 1], losses[i : i + 1])
    torch.testing.assert_close(at_once.probabilities(), one_by_one.probabilities(), rtol=0, atol=1e-15)
    last = [losses[timesteps == t][-3:].double().square().mean().sqrt() for t in range(5)]
    moments = torch.stack(last)
    torch.testing.assert_close(at_once.probabilities(), 0.999 * moments / moments.sum() + 0.0002)


@BOTH
def test_a_resumed_sampler_draws_what_an_unbroken_one_draws(kind):
    unbroken = kind(20, torch.Generator().manual_seed(7))
    unbroken.sample(5)
    if kind is LossSecondMomentTimestepSampler:
        unbroken.update(torch.arange(20).repeat(10), torch.rand(200))
    state = unbroken.state_dict()
    resumed = kind(20)
    resumed.load_state_dict(state)
    for expected, drawn in zip(unbroken.sample(50), resumed.sample(50), strict=True):
        assert torch.equal(expected, drawn)
    if kind is LossSecondMomentTimestepSampler:
        assert resumed.warmed_up
        unbroken.update(torch.arange(20), torch.full((20,), 100.0))
        assert state["losses"].max() < 1  # a saved state is not changed by going on


def test_bad_arguments_raise():
    with pytest.raises(ValueError, match="num_train_timesteps"):
        UniformTimestepSampler(0)
    with pytest.raises(ValueError, match="history"):
        LossSecondMomentTimestepSampler(3, history=0)
    with pytest.raises(ValueError, match="uniform_prob"):
        LossSecondMomentTimestepSampler(3, uniform_prob=2.0)
    sampler = LossSecondMomentTimestepSampler(3)
    with pytest.raises(ValueError, match=r"nan.*timesteps \[1\]"):
        sampler.update(torch.tensor([0, 1]), torch.tensor([1.0, float("nan")]))
    with pytest.raises(ValueError, match=r"0 \.\.\. 2"):
        sampler.update(torch.tensor([3]), torch.tensor([1.0]))
    with pytest.raises(ValueError, match=r"\[B\]"):
        sampler.update(torch.tensor([0, 1]), torch.tensor([1.0]))
    with pytest.raises(ValueError, match="arguments of the checkpoint"):
        sampler.load_state_dict(LossSecondMomentTimestepSampler(4).state_dict())
