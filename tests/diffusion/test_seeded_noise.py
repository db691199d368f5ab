"""Noise is bit-equal whatever the batch."""

import pytest
import torch

from monai_minority.diffusion import SeededNoise

SHAPE = (2, 5, 7)


def test_streams_do_not_depend_on_the_batch():
    together = SeededNoise([3, 1, 4, 1], SHAPE)
    draws = [together() for _ in range(3)]
    for i, seed in enumerate([3, 1, 4, 1]):
        alone = SeededNoise(torch.tensor([seed]), SHAPE)
        for draw in draws:
            assert torch.equal(alone()[0], draw[i])
    assert torch.equal(draws[0][1], draws[0][3])
    assert not torch.equal(draws[0][0], draws[1][0])


def test_noise_is_standard_normal_and_leaves_the_global_stream_alone():
    state = torch.get_rng_state()
    noise = SeededNoise(range(200), (1, 16, 16))()
    assert torch.equal(torch.get_rng_state(), state)
    assert abs(noise.mean()) < 0.02
    assert abs(noise.var() - 1) < 0.03
    # neighbouring seeds give unrelated streams
    neighbours = torch.corrcoef(noise.flatten(1))[range(199), range(1, 200)]
    assert neighbours.abs().max() < 0.3


def test_integers_are_uniform():
    drawn = SeededNoise(range(4000), (1,)).integers(10)
    counts = drawn.bincount(minlength=10)
    assert len(counts) == 10
    assert ((counts - 400).abs() < 80).all()  # four standard deviations


def test_no_seed():
    with pytest.raises(ValueError, match="seeds must hold one seed"):
        SeededNoise([], SHAPE)
