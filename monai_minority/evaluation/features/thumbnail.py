"""Averages of pixels as features."""

from torch import Tensor, nn
from torch.nn import functional


class Thumbnail(nn.Module):
    """Mean pixel values on a grid of ``size x size`` cells: a feature space without weights.

    The features contain shape, size and brightness, and no texture. Texture is what differs most between real images
    and those of a small or briefly trained diffusion model. If a network's features place all generated images far from
    all real ones, this space shows whether their shapes agree. Distances are root mean square differences times a
    constant.

    Args:
        size: number of cells per side. If it does not divide the side of an image, cells overlap by a pixel.

    Attributes:
        name: name in results.
        resizing: how images are resized, in words.
        normalisation: how values are normalised, in words.

    Raises:
        ValueError: if ``size`` is below 1.

    Example:
        >>> import torch
        >>> from monai_minority.evaluation.features import Thumbnail
        >>> images = torch.tensor([[-1.0, -1.0, 1.0, 1.0]]).expand(1, 1, 4, 4)  # dark left, bright right
        >>> Thumbnail(2)(images).tolist()
        [[-1.0, 1.0, -1.0, 1.0]]
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
            ValueError: if the images have another shape, or fewer pixels than cells.
        """
        if x.ndim != 4 or min(x.shape[-2:]) < self.size:
            raise ValueError(
                f"images must be [B, C, H, W] of at least {self.size} pixels a side, got shape {tuple(x.shape)}; "
                "choose a smaller size"
            )
        return functional.adaptive_avg_pool2d(x, self.size).flatten(1)

    def extra_repr(self) -> str:
        """The size, which distinguishes two thumbnails in records because they have no weights."""
        return f"size={self.size}"
