"""The draws of a training step: which they are, and what they depend on."""

import numpy as np
import pytest
import torch

from monai_minority.diffusion import LossSecondMomentTimestepSampler
from monai_minority.training import NoisingPrepareBatch
from monai_minority.training.batches import step_seed


def batch_of(images, step=0, offset=0, total=None, **columns):
    return {"image": images, "step": step, "offset": offset, "total": total or len(images), **columns}


@pytest.fixture
def images():
    return torch.rand(6, 1, 4, 4) * 2 - 1


def test_draws_do_not_depend_on_the_number_of_processes(images):
    prepare = NoisingPrepareBatch(1000, seed=3, flip=True)
    whole, targets, *_, call = prepare(batch_of(images, step=7))
    for rank in range(2):
        mine = slice(rank * 3, rank * 3 + 3)
        part, part_targets, *_, part_call = prepare(batch_of(images[mine], step=7, offset=rank * 3, total=6))
        torch.testing.assert_close(part, whole[mine], rtol=0, atol=0)
        for name in ("noise", "timesteps"):
            torch.testing.assert_close(part_call[name], call[name][mine], rtol=0, atol=0)
        for one, all_of_them in zip(part_targets, targets, strict=True):
            torch.testing.assert_close(one, all_of_them[mine], rtol=0, atol=0)


def test_draws_depend_on_seed_and_step_and_on_nothing_else(images):
    def noise(seed, step):
        torch.randn(3)  # the global stream moves on
        return NoisingPrepareBatch(1000, seed=seed)(batch_of(images, step=step))[3]["noise"]

    assert torch.equal(noise(3, 7), noise(3, 7))
    drawn = [noise(seed, step) for seed, step in ((3, 7), (3, 8), (4, 7), (7, 3))]
    assert all(not torch.equal(a, b) for i, a in enumerate(drawn) for b in drawn[:i])


def test_timesteps_are_uniform_and_noise_is_standard_normal():
    prepare, counts = NoisingPrepareBatch(10, seed=0), torch.zeros(10)
    noise = []
    for step in range(20):
        *_, call = prepare(batch_of(torch.zeros(500, 1, 2, 2), step=step))
        counts += torch.bincount(call["timesteps"], minlength=10)
        noise.append(call["noise"])
    chi_square = ((counts - 1000) ** 2 / 1000).sum()
    assert chi_square < 27.9, "0.001 quantile of 9 degrees of freedom"
    values = torch.cat(noise).flatten()
    assert abs(values.mean()) < 4 / len(values) ** 0.5
    assert abs(values.var() - 1) < 4 * (2 / len(values)) ** 0.5


def test_flips_about_half_of_the_images_and_the_targets_with_them():
    images = torch.arange(4.0).view(1, 1, 1, 4).repeat(400, 1, 1, 1)
    flipped, targets, *_ = NoisingPrepareBatch(10, flip=True)(batch_of(images))
    mirrored = (flipped == images.flip(-1)).all(-1).flatten()
    assert ((flipped == images).all(-1).flatten() | mirrored).all()
    assert abs(mirrored.double().mean() - 0.5) < 4 * 0.5 / 20
    assert torch.equal(targets.images, flipped)
    assert torch.equal(NoisingPrepareBatch(10)(batch_of(images))[0], images)


def test_labels_for_a_classifier_and_for_a_conditional_network(images):
    labels = torch.tensor([5, 4, 3, 2, 1, 0], dtype=torch.int32)
    _, target, _, call = NoisingPrepareBatch(10, target="minority_class")(
        batch_of(images, minority_class=labels, class_label=labels + 1)
    )
    assert target.dtype == torch.int64
    assert target.tolist() == labels.tolist()
    assert call["class_labels"].tolist() == (labels + 1).tolist()
    assert "class_labels" not in NoisingPrepareBatch(10)(batch_of(images))[3]


def test_a_timestep_sampler_takes_the_place_of_the_uniform_distribution(images):
    sampler = LossSecondMomentTimestepSampler(4, history=1, uniform_prob=0.0)
    sampler.update(torch.arange(4), torch.tensor([0.0, 3.0, 0.0, 1.0]))
    prepare = NoisingPrepareBatch(4, timestep_sampler=sampler)
    _, targets, _, call = prepare(batch_of(images[2:4], offset=2, total=400))
    whole = prepare(batch_of(images.repeat(80, 1, 1, 1)[:400], total=400))[1]
    assert set(whole.timesteps.tolist()) == {1, 3}
    assert (whole.timesteps == 1).double().mean() == pytest.approx(0.75, abs=4 * (0.75 * 0.25 / 400) ** 0.5)
    assert whole.weights[whole.timesteps == 1].unique().item() == pytest.approx(1 / (4 * 0.75))
    assert call["timesteps"].tolist() == targets.timesteps.tolist() == whole.timesteps[2:4].tolist()


def test_step_seeds_are_distinct_and_fit_a_generator():
    seeds = {step_seed(seed, step) for seed in range(20) for step in range(200)}
    assert len(seeds) == 4000
    assert all(0 <= seed < 2**63 for seed in seeds)
    assert np.mean([seed / 2**63 for seed in seeds]) == pytest.approx(0.5, abs=0.03)


def test_ranks_are_dropped_for_a_share_of_the_images_after_all_other_draws():
    images, ranks = torch.zeros(4000, 1, 1, 1), torch.rand(4000, dtype=torch.float64)
    plain = NoisingPrepareBatch(1000, seed=3)(batch_of(images))
    *_, call = NoisingPrepareBatch(1000, seed=3)(batch_of(images, score_rank=ranks))
    assert "ranks" not in plain[3]
    assert all(torch.equal(call[name], plain[3][name]) for name in ("noise", "timesteps")), "as without ranks"
    dropped = call["ranks"] < 0
    assert abs(dropped.double().mean() - 0.1) < 4 * (0.09 / 4000) ** 0.5
    assert torch.equal(call["ranks"][~dropped], ranks[~dropped].float())
    *_, part = NoisingPrepareBatch(1000, seed=3)(batch_of(images[3000:], 0, 3000, 4000, score_rank=ranks[3000:]))
    assert torch.equal(part["ranks"], call["ranks"][3000:]), "whatever the number of processes"
    *_, kept = NoisingPrepareBatch(1000, rank_drop=0.0)(batch_of(images, score_rank=ranks))
    assert torch.equal(kept["ranks"], ranks.float())
    with pytest.raises(ValueError, match=r"rank_drop must be a share in \[0, 1\], got 10"):
        NoisingPrepareBatch(1000, rank_drop=10)
