"""Resize an image of any shape to a square without distortion."""

from typing import Any

import torch
from monai.config import KeysCollection
from torch.nn.functional import interpolate, pad

from monai_minority.transforms.each_key import EachKey


class ResizeToSquared(EachKey):
    """Pad the shorter side to a square, then resample to ``size`` (bilinear, anti-aliased).

    MONAI's ``Resized(anti_aliasing=True)`` assumes zeros beyond the border, which gives a grey frame in images in
    [-1, 1]. Here the kernel is truncated at the border, so a constant image stays constant up to the edge. An image
    that already has the size is unchanged.

    Args:
        keys: keys of images ``[C, H, W]``.
        size: side of the result in pixels.
        background: value of the padding; -1 is black for images in [-1, 1]. ``None``: the lowest value of each image,
            for images that are normalised later.

    Raises:
        ValueError: ``size`` is below 1, or an image is not ``[C, H, W]``.

    Example:
        >>> import torch
        >>> from monai_minority.transforms import ResizeToSquared
        >>> square = ResizeToSquared(size=8)({"image": torch.ones(1, 4, 8)})["image"]
        >>> square.shape, square[0, :, 0].tolist()
        (torch.Size([1, 8, 8]), [-1.0, -1.0, 1.0, 1.0, 1.0, 1.0, -1.0, -1.0])
    """

    def __init__(self, keys: KeysCollection = "image", size: int = 64, background: float | None = -1.0) -> None:
        super().__init__(keys)
        if size < 1:
            raise ValueError(f"size must be at least 1 pixel, got {size}")
        self.size = size
        self.background = background

    def changed(self, image: Any) -> torch.Tensor:
        image = torch.as_tensor(image).as_subclass(torch.Tensor)
        if image.ndim != 3 or not image.numel():
            raise ValueError(f"an image must be [C, H, W] with pixels, got shape {list(image.shape)}")
        height, width = image.shape[1:]
        side = max(height, width)
        # An odd pixel of padding goes to the bottom and the right.
        top, left = (side - height) // 2, (side - width) // 2
        background = float(image.min()) if self.background is None else self.background
        square = pad(image, (left, side - width - left, top, side - height - top), value=background)
        if side == self.size:
            return square
        shape = (self.size, self.size)
        return interpolate(square[None], shape, mode="bilinear", antialias=True, align_corners=False)[0]
