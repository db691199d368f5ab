import pytest
import torch

from monai_minority.networks.adm.attention import AttentionBlock, AttentionPool2d, count_heads


def attend(query, key, value):
    """Attention of one head ``[channels, pixels]``, written out."""
    weight = torch.softmax(query.T @ key / query.shape[0] ** 0.5, dim=-1)
    return value @ weight.T


@pytest.mark.parametrize("new_order", [False, True])
def test_both_orders_equal_the_written_out_heads(new_order, awake):
    block = awake(AttentionBlock(64, num_heads=4, use_new_attention_order=new_order)).double()
    x = torch.randn(2, 64, 4, 4, dtype=torch.float64)
    for image, result in zip(x, block(x), strict=True):
        joint = torch.nn.functional.conv1d(block.norm(image[None]).flatten(2), block.qkv.weight, block.qkv.bias)[0]
        heads = []
        for head in range(4):
            if new_order:
                parts = [joint[64 * part + 16 * head :][:16] for part in range(3)]
            else:
                parts = [joint[48 * head + 16 * part :][:16] for part in range(3)]
            heads.append(attend(*parts))
        projected = block.proj_out.weight[..., 0] @ torch.cat(heads) + block.proj_out.bias[:, None]
        torch.testing.assert_close(result, image + projected.reshape(image.shape), rtol=0, atol=1e-12)


def test_pooling_equals_the_first_token_of_full_attention(awake):
    pool = awake(AttentionPool2d(4, 64, 16, 10)).double()
    x = torch.randn(2, 64, 4, 4, dtype=torch.float64)
    for image, result in zip(x, pool(x), strict=True):
        pixels = image.flatten(1)
        tokens = torch.cat([pixels.mean(1, keepdim=True), pixels], dim=1) + pool.positional_embedding
        joint = pool.qkv_proj.weight[..., 0] @ tokens + pool.qkv_proj.bias[:, None]
        heads = [attend(*(joint[64 * part + 16 * head :][:16] for part in range(3))) for head in range(4)]
        everything = pool.c_proj.weight[..., 0] @ torch.cat(heads) + pool.c_proj.bias[:, None]
        torch.testing.assert_close(result, everything[:, 0], rtol=0, atol=1e-12)


def test_untrained_attention_changes_nothing():
    x = torch.randn(2, 32, 4, 4)
    assert torch.equal(AttentionBlock(32)(x), x)


def test_memory_layout_is_kept(awake):
    x = torch.randn(2, 32, 4, 4).to(memory_format=torch.channels_last)
    assert awake(AttentionBlock(32))(x).is_contiguous(memory_format=torch.channels_last)


def test_heads_by_number_or_by_channels():
    assert count_heads(64, 4, -1) == 4
    assert count_heads(64, 4, 32) == 2
    with pytest.raises(ValueError, match="64 channels.*num_heads=3"):
        count_heads(64, 3, -1)
    with pytest.raises(ValueError, match="32 channels.*num_head_channels=64"):
        count_heads(32, 1, 64)
