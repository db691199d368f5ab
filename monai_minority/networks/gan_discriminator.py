"""The discriminator of a small GAN."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from monai_minority.networks.gan_blocks import ResidualBlock, start_size


class GANDiscriminator(nn.Module):
    """From images to a logit each, the mirror image of :class:`GANGenerator`.

    Of the images of a batch it sees one at a time and, where that is wanted, their standard deviation, which tells
    whether they are all alike (Karras et al., ICLR 2018).

    Args:
        image_size: side of the images in pixels.
        in_channels: of the images.
        channels: of the levels, from the image to the smallest map.
        group: images of a batch whose deviation is taken together; 0 leaves it out.

    Raises:
        ValueError: ``image_size`` is not a multiple of ``2 ** (len(channels) - 1)``.
    """

    def __init__(
        self, image_size: int, in_channels: int = 1, channels: Sequence[int] = (32, 64, 128), group: int = 4
    ) -> None:
        super().__init__()
        size = start_size(image_size, len(channels))
        self.group = group
        self.enter = nn.Conv2d(in_channels, channels[0], 3, padding=1)
        widths = [*channels[1:], channels[-1]]
        self.blocks = nn.ModuleList(ResidualBlock(a, b) for a, b in zip(channels, widths, strict=True))
        self.leave = nn.Linear((channels[-1] + bool(group)) * size**2, 1)

    def forward(self, images: Tensor) -> Tensor:
        """Logits ``[B]`` of images ``[B, C, H, W]`` in [-1, 1], high for real ones."""
        x = self.enter(images)
        for level, block in enumerate(self.blocks):
            x = block(F.avg_pool2d(x, 2) if level else x)
        if self.group:
            x = torch.cat([x, self._deviation(x)], dim=1)
        return self.leave(F.leaky_relu(x, 0.2).flatten(1))[:, 0]

    def _deviation(self, x: Tensor) -> Tensor:
        """Mean standard deviation of each image's group as a map ``[B, 1, h, w]``."""
        size = self.group if len(x) % self.group == 0 else len(x)
        groups = x.unflatten(0, (-1, size))
        deviation = (groups.var(dim=1, correction=0) + 1e-8).sqrt().mean(dim=(1, 2, 3))
        return deviation.repeat_interleave(size).view(-1, 1, 1, 1).expand(-1, 1, *x.shape[2:])
