"""The pixels themselves, at a coarse grain."""

from torch import Tensor, nn
from torch.nn import functional


class Thumbnail(nn.Module):
    """Averages of the pixels over a grid of ``size x size`` cells: a feature space without weights.

    It sees shape, size and brightness and is blind to texture, in which the images of a small or briefly trained
    diffusion model differ from real ones most. Distances in it are plain root mean squares times a constant, so it
    is the space to look at where a network's space says that all generated images are far from all real ones.

    Args:
        size: cells along each side; images whose sides it does not divide get cells that overlap by a pixel.

    Attributes:
        name: what results call it.
        resizing: how images are brought to size, in words.
        normalisation: what becomes of the values, in words.

    Raises:
        ValueError: if ``size`` is below 1.
    """

    def __init__(self, size: int = 16) -> None:
        super().__init__()
        if size < 1:
            raise ValueError(f"size must be at least 1 cell a side, got {size}")
        self.size = size
        self.name = f"thumbnail of {size} x {size} pixels"
        self.resizing = f"mean over {size} x {size} cells"
        self.normalisation = "none, x in [-1, 1]"

    def forward(self, x: Tensor) -> Tensor:
        """Features ``[B, C * size**2]`` of images ``[B, C, H, W]`` in [-1, 1].

        Raises:
            ValueError: the images have another shape or fewer pixels than cells.
        """
        if x.ndim != 4 or min(x.shape[-2:]) < self.size:
            raise ValueError(
                f"images must be [B, C, H, W] of at least {self.size} pixels a side, got shape {tuple(x.shape)}; "
                "choose a smaller size"
            )
        return functional.adaptive_avg_pool2d(x, self.size).flatten(1)

    def extra_repr(self) -> str:
        """What tells two thumbnails apart, for they have no weights."""
        return f"size={self.size}"
