"""Self-attention over the pixels of a feature map, and pooling by attention."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from monai_minority.networks.adm.blocks import GroupNorm32, zeroed


class PixelLinear(nn.Conv1d):
    """A linear layer on ``[B, pixels, C]`` with parameters ``[out, in, 1]`` as in published checkpoints."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__(in_channels, out_channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Map ``[B, pixels, in]`` to ``[B, pixels, out]``."""
        return F.linear(x, self.weight.squeeze(-1), self.bias)

    def rows(self, x: Tensor, start: int, stop: int) -> Tensor:
        """Only the output channels ``start`` to ``stop`` of :meth:`forward`."""
        bias = None if self.bias is None else self.bias[start:stop]
        return F.linear(x, self.weight[start:stop].squeeze(-1), bias)


def count_heads(channels: int, num_heads: int, num_head_channels: int) -> int:
    """Number of attention heads: ``num_heads``, unless the channels of a head are given (not -1)."""
    heads = num_heads if num_head_channels == -1 else channels // num_head_channels
    if heads < 1 or channels % heads or (num_head_channels != -1 and channels % num_head_channels):
        asked = f"num_heads={num_heads}" if num_head_channels == -1 else f"num_head_channels={num_head_channels}"
        raise ValueError(
            f"attention over {channels} channels cannot be divided into equal heads by {asked}; "
            f"choose a divisor of {channels}, or leave attention out at this resolution."
        )
    return heads


class AttentionBlock(nn.Module):
    """Residual multi-head self-attention over all pixels (Dhariwal and Nichol, 2021).

    Args:
        channels: channels of the feature map.
        num_heads: number of heads, used where ``num_head_channels`` is -1.
        num_head_channels: channels of a head.
        use_new_attention_order: the joint projection is laid out as (query, key, value) of all heads; without
            it, as heads of (query, key, value). Checkpoints need the one they were trained with.
    """

    def __init__(
        self,
        channels: int,
        num_heads: int = 1,
        num_head_channels: int = -1,
        use_new_attention_order: bool = False,
    ) -> None:
        super().__init__()
        self.num_heads = count_heads(channels, num_heads, num_head_channels)
        self.use_new_attention_order = use_new_attention_order
        self.norm = GroupNorm32(channels)
        self.qkv = PixelLinear(channels, 3 * channels)
        self.proj_out = zeroed(PixelLinear(channels, channels))

    def forward(self, x: Tensor) -> Tensor:
        """Map ``x [B, C, H, W]`` to the same shape."""
        # Pixels before channels: no head needs a copy, and nothing does where x is channels_last.
        pixels = self.norm(x).flatten(2).transpose(1, 2)
        layout = (3, self.num_heads) if self.use_new_attention_order else (self.num_heads, 3)
        joint = self.qkv(pixels).unflatten(-1, (*layout, -1))
        query, key, value = (part.transpose(1, 2) for part in joint.unbind(2 if self.use_new_attention_order else 3))
        attended = F.scaled_dot_product_attention(query, key, value).transpose(1, 2).flatten(2)
        return x + self.proj_out(attended).transpose(1, 2).reshape(x.shape)


class AttentionPool2d(nn.Module):
    """Pool a feature map by letting its mean attend to all pixels (Radford et al., 2021).

    Args:
        size: height and width of the map.
        channels: channels of the map.
        num_head_channels: channels of a head.
        out_channels: length of the pooled vector.
    """

    def __init__(self, size: int, channels: int, num_head_channels: int, out_channels: int) -> None:
        super().__init__()
        self.num_heads = count_heads(channels, 1, num_head_channels)
        self.positional_embedding = nn.Parameter(torch.randn(channels, size**2 + 1) / channels**0.5)
        self.qkv_proj = PixelLinear(channels, 3 * channels)
        self.c_proj = PixelLinear(channels, out_channels)

    def forward(self, x: Tensor) -> Tensor:
        """Map ``x [B, C, size, size]`` to ``[B, out_channels]``."""
        pixels = x.flatten(2)
        tokens = torch.cat([pixels.mean(dim=-1, keepdim=True), pixels], dim=-1)
        tokens = (tokens + self.positional_embedding.to(x.dtype)).transpose(1, 2)
        channels = x.shape[1]
        # The mean alone is read in the end, so it alone asks: no other query is computed.
        query = self.qkv_proj.rows(tokens[:, :1], 0, channels)
        key, value = self.qkv_proj.rows(tokens, channels, 3 * channels).chunk(2, dim=-1)
        heads = (part.unflatten(-1, (self.num_heads, -1)).transpose(1, 2) for part in (query, key, value))
        attended = F.scaled_dot_product_attention(*heads).transpose(1, 2).flatten(2)
        return self.c_proj(attended)[:, 0]
