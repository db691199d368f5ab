import math

import pytest
import torch
from torch import nn

from monai_minority.networks.adm.blocks import Downsample, GroupNorm32, ResBlock, Upsample, timestep_embedding


def test_embedding_equals_cosines_then_sines_of_each_frequency():
    timesteps = torch.tensor([0.0, 0.25, 37.0, 999.0])
    embedding = timestep_embedding(timesteps, 8)
    for row, t in zip(embedding, timesteps.tolist(), strict=True):
        angles = [t * 10_000 ** (-i / 4) for i in range(4)]
        expected = torch.tensor([math.cos(a) for a in angles] + [math.sin(a) for a in angles])
        torch.testing.assert_close(row, expected, rtol=0, atol=5e-5)


def test_embedding_of_odd_length_ends_in_zero_and_integers_are_taken():
    embedding = timestep_embedding(torch.tensor([3, 5]), 7)
    assert torch.equal(embedding[:, -1], torch.zeros(2))
    torch.testing.assert_close(embedding[:, :6], timestep_embedding(torch.tensor([3.0, 5.0]), 6))


def test_group_norm_works_in_float32_on_half_precision(awake):
    x = 300 + torch.randn(2, 64, 8, 8)
    norm = awake(GroupNorm32(64))
    expected = nn.functional.group_norm(x.half().float(), 32, norm.weight, norm.bias, 1e-5)
    # Sums of squares near 300 leave the range of float16, so a half-precision norm could not pass.
    result = norm(x.half())
    assert result.dtype == torch.float16
    torch.testing.assert_close(result, expected.half(), rtol=0, atol=0)


def test_group_norm_keeps_double_precision():
    x = torch.randn(2, 32, 4, 4, dtype=torch.float64)
    grouped = x.reshape(2, 32, -1)
    expected = (grouped - grouped.mean(-1, keepdim=True)) / (grouped.var(-1, correction=0, keepdim=True) + 1e-5).sqrt()
    torch.testing.assert_close(GroupNorm32(32)(x), expected.reshape(x.shape), rtol=0, atol=1e-12)


def test_group_norm_refuses_other_widths():
    with pytest.raises(ValueError, match="divisible by the 32 groups.*got 48"):
        GroupNorm32(48)


def test_resampling_without_convolution_repeats_and_averages():
    x = torch.arange(16.0).reshape(1, 1, 4, 4)
    assert torch.equal(Downsample(1, conv=False)(x)[0, 0], torch.tensor([[2.5, 4.5], [10.5, 12.5]]))
    assert torch.equal(Upsample(1, conv=False)(x), x.repeat_interleave(2, 2).repeat_interleave(2, 3))


@pytest.mark.parametrize("resample", [None, "up", "down"])
@pytest.mark.parametrize("scale_shift", [True, False])
def test_untrained_block_is_its_resampled_skip(resample, scale_shift):
    block = ResBlock(32, 16, use_scale_shift_norm=scale_shift, resample=resample)
    x = torch.randn(2, 32, 8, 8)
    assert torch.equal(block(x, torch.randn(2, 16)), block.resample(x))


def test_scale_comes_before_shift(awake):
    block = awake(ResBlock(32, 16, use_scale_shift_norm=True))
    x, emb = torch.randn(2, 32, 4, 4), torch.randn(2, 16)
    scale, shift = block.emb_layers(emb)[..., None, None].split(32, dim=1)
    hidden = block.out_layers[0](block.in_layers(x)) * (1 + scale) + shift
    expected = x + block.out_layers[3](hidden * hidden.sigmoid())
    torch.testing.assert_close(block(x, emb), expected)
