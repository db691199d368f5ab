"""The residual block of the GAN's networks."""

import math

from torch import Tensor, nn
from torch.nn import functional as F


class ResidualBlock(nn.Module):
    """Two 3 x 3 convolutions beside a shortcut, without normalisation (Mescheder et al., ICML 2018).

    Args:
        in_channels: channels that come in.
        out_channels: channels that go out.
    """

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(in_channels, in_channels, 3, padding=1)
        self.second = nn.Conv2d(in_channels, out_channels, 3, padding=1)
        self.shortcut: nn.Module = nn.Identity()
        if in_channels != out_channels:
            self.shortcut = nn.Conv2d(in_channels, out_channels, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """``[B, out_channels, H, W]`` of ``[B, in_channels, H, W]``, of the same variance about."""
        hidden = self.second(F.leaky_relu(self.first(F.leaky_relu(x, 0.2)), 0.2))
        return (self.shortcut(x) + hidden) / math.sqrt(2)


def start_size(image_size: int, levels: int) -> int:
    """Side of the smallest map of a network of ``levels`` resolutions, each half the next.

    Raises:
        ValueError: the image's side is not a multiple of ``2 ** (levels - 1)``.
    """
    factor = 2 ** (levels - 1)
    if image_size % factor or levels < 1:
        raise ValueError(
            f"image_size must be a multiple of 2 ** (levels - 1) = {factor} for {levels} levels of channels, got "
            f"{image_size}; give fewer or more channels"
        )
    return image_size // factor
