"""The generator of a small GAN."""

from collections.abc import Sequence

from torch import Tensor, nn
from torch.nn import functional as F

from monai_minority.networks.gan_blocks import ResidualBlock, start_size


class GANGenerator(nn.Module):
    """From codes to images: residual blocks without normalisation, doubling height and width between levels.

    As in Mescheder et al., "Which Training Methods for GANs do actually Converge?", ICML 2018.

    Args:
        image_size: side of the images in pixels.
        out_channels: of the images.
        latent_size: length of a code.
        channels: of the levels, from the smallest map to the image.

    Raises:
        ValueError: ``image_size`` is not a multiple of ``2 ** (len(channels) - 1)``.
    """

    def __init__(
        self,
        image_size: int,
        out_channels: int = 1,
        latent_size: int = 64,
        channels: Sequence[int] = (128, 64, 32),
    ) -> None:
        super().__init__()
        self.latent_size = latent_size
        self.start = (channels[0], *[start_size(image_size, len(channels))] * 2)
        self.enter = nn.Linear(latent_size, self.start[0] * self.start[1] * self.start[2])
        widths = [channels[0], *channels]
        self.blocks = nn.ModuleList(ResidualBlock(a, b) for a, b in zip(widths, channels, strict=False))
        self.leave = nn.Conv2d(channels[-1], out_channels, 3, padding=1)

    def forward(self, codes: Tensor) -> Tensor:
        """Images ``[B, C, H, W]``, about [-1, 1] and not clamped, of codes ``[B, latent_size]``.

        Codes are scaled to the sphere of radius ``sqrt(latent_size)``, near which standard normal ones lie.
        """
        codes = codes * (codes.square().mean(dim=1, keepdim=True) + 1e-8).rsqrt()
        x = self.enter(codes).unflatten(1, self.start)
        for level, block in enumerate(self.blocks):
            x = block(F.interpolate(x, scale_factor=2.0, mode="nearest") if level else x)
        # no tanh: where it saturates, as on black background, the generator would learn no more
        return self.leave(F.leaky_relu(x, 0.2))
