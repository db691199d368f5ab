"""Building blocks of the ADM networks: timestep embedding, normalisation, resampling and residual blocks.

Parameter names follow the published checkpoints (``in_layers.0``, ``emb_layers.1``, ...), so that these load
as they are.
"""

import math
from contextlib import AbstractContextManager, nullcontext

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from monai_minority.networks.adm.config import GROUPS


def timestep_embedding(timesteps: Tensor, dim: int, max_period: float = 10_000.0) -> Tensor:
    """Embed timesteps as cosines, then sines, of geometrically spaced frequencies.

    The positional encoding of Vaswani et al. (2017) in the order that Dhariwal and Nichol (2021) use: the
    first half holds the cosines. Frequencies fall from 1 towards ``1 / max_period``. An odd ``dim`` ends in a
    column of zeros.

    Args:
        timesteps: ``[B]``, in training indices; fractions are allowed.
        dim: length of an embedding.
        max_period: period, divided by 2 pi, that the lowest frequency approaches, in timesteps.

    Returns:
        float32 tensor ``[B, dim]`` with values in [-1, 1].
    """
    half = dim // 2
    exponents = torch.arange(half, dtype=torch.float32, device=timesteps.device) / half
    angles = timesteps.float()[:, None] * torch.exp(-math.log(max_period) * exponents)[None]
    embedding = torch.cat([angles.cos(), angles.sin()], dim=-1)
    return F.pad(embedding, (0, dim % 2))


def zeroed(module: nn.Module) -> nn.Module:
    """Set all parameters of ``module`` to zero, so that its branch starts as nothing, and return it."""
    for parameter in module.parameters():
        nn.init.zeros_(parameter)
    return module


def without_autocast(x: Tensor) -> AbstractContextManager:
    """Context in which autocast is off on the device of ``x``; it does nothing where there is no autocast."""
    device = x.device.type
    if torch.amp.is_autocast_available(device) and torch.is_autocast_enabled(device):
        return torch.autocast(device, enabled=False)
    return nullcontext()


class GroupNorm32(nn.GroupNorm):
    """Group normalisation with 32 groups, computed in float32 at least, returned in the type of its input."""

    def __init__(self, channels: int) -> None:
        if channels % GROUPS:
            raise ValueError(
                f"channels must be divisible by the {GROUPS} groups of the normalisation, got {channels}; "
                "choose model_channels and channel_mult so that every product is a multiple of it."
            )
        super().__init__(GROUPS, channels)

    def forward(self, x: Tensor) -> Tensor:
        """Normalise ``x [B, C, ...]``."""
        dtype = torch.promote_types(x.dtype, torch.float32)
        normed = F.group_norm(x.to(dtype), self.num_groups, self.weight.to(dtype), self.bias.to(dtype), self.eps)
        return normed.to(x.dtype)


class Upsample(nn.Module):
    """Double height and width by repeating pixels, then convolve (``conv=True``)."""

    def __init__(self, channels: int, conv: bool) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 3, padding=1) if conv else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """Map ``[B, C, H, W]`` to ``[B, C, 2H, 2W]``."""
        return self.conv(F.interpolate(x, scale_factor=2, mode="nearest"))


class Downsample(nn.Module):
    """Halve height and width by a strided convolution (``conv=True``) or by averaging 2 x 2 pixels."""

    def __init__(self, channels: int, conv: bool) -> None:
        super().__init__()
        self.op = nn.Conv2d(channels, channels, 3, stride=2, padding=1) if conv else nn.AvgPool2d(2)

    def forward(self, x: Tensor) -> Tensor:
        """Map ``[B, C, H, W]`` to ``[B, C, H/2, W/2]``."""
        return self.op(x)


class ResBlock(nn.Module):
    """Residual block conditioned on the timestep (and class) embedding.

    Args:
        channels: channels of the input.
        emb_channels: length of the embedding.
        dropout: probability of dropping an activation before the last convolution.
        out_channels: channels of the output; ``None`` keeps those of the input.
        use_scale_shift_norm: the embedding scales and shifts the normalised activations (adaptive group
            normalisation) instead of being added to them.
        resample: ``"up"`` or ``"down"`` doubles or halves the size inside the block, as BigGAN does: on the
            residual branch between activation and convolution, and on the skip branch.
    """

    def __init__(
        self,
        channels: int,
        emb_channels: int,
        dropout: float = 0.0,
        out_channels: int | None = None,
        use_scale_shift_norm: bool = False,
        resample: str | None = None,
    ) -> None:
        super().__init__()
        out_channels = out_channels or channels
        self.use_scale_shift_norm = use_scale_shift_norm
        self.in_layers = nn.Sequential(
            GroupNorm32(channels), nn.SiLU(), nn.Conv2d(channels, out_channels, 3, padding=1)
        )
        self.resample: nn.Module = nn.Identity()
        if resample is not None:
            self.resample = (Upsample if resample == "up" else Downsample)(channels, conv=False)
        self.emb_layers = nn.Sequential(
            nn.SiLU(), nn.Linear(emb_channels, 2 * out_channels if use_scale_shift_norm else out_channels)
        )
        self.out_layers = nn.Sequential(
            GroupNorm32(out_channels),
            nn.SiLU(),
            nn.Dropout(dropout),
            zeroed(nn.Conv2d(out_channels, out_channels, 3, padding=1)),
        )
        self.skip_connection = nn.Identity() if out_channels == channels else nn.Conv2d(channels, out_channels, 1)

    def forward(self, x: Tensor, emb: Tensor) -> Tensor:
        """Map ``x [B, C, H, W]`` and ``emb [B or 1, E]`` to ``[B, C', H', W']``."""
        norm, activation, conv = self.in_layers
        h = conv(self.resample(activation(norm(x))))
        conditioning = self.emb_layers(emb).to(h.dtype)[..., None, None]
        if self.use_scale_shift_norm:
            scale, shift = conditioning.chunk(2, dim=1)
            h = self.out_layers[0](h) * (1 + scale) + shift
            h = self.out_layers[1:](h)
        else:
            h = self.out_layers(h + conditioning)
        return self.skip_connection(self.resample(x)) + h
