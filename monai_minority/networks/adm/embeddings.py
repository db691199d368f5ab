"""Sinusoidal embedding of diffusion timesteps."""

import math

import torch
from torch import Tensor


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
    return torch.nn.functional.pad(embedding, (0, dim % 2))
