"""Crop a picture to its central square at a given size, like the training images of guided-diffusion."""

from typing import Any

import numpy as np
import torch
from monai.config import KeysCollection
from PIL import Image

from monai_minority.transforms.each_key import EachKey


class CenterCropToSquared(EachKey):
    """Resize the shorter side to ``size`` and crop the longer side at both ends.

    A picture is halved (box filter) while its shorter side is at least twice ``size``, then resampled (bicubic) and
    cropped in the middle. Each step rounds to 8 bits. The published ADM models were trained on such images. A picture
    that already has the size is unchanged.

    Args:
        keys: keys of 8-bit pictures ``[C, H, W]`` with C 1 or 3, whole numbers from 0 to 255, as loaded by
            :class:`~monai_minority.transforms.LoadPictured`.
        size: side of the result in pixels.

    Raises:
        ValueError: ``size`` is below 1, or an image has another shape or range.

    Example:
        >>> import torch
        >>> from monai_minority.transforms import CenterCropToSquared
        >>> picture = torch.tensor([[9.0, 0, 255, 9], [9, 255, 0, 9]])[None]
        >>> CenterCropToSquared(size=2)({"image": picture})["image"].tolist()
        [[[0.0, 255.0], [255.0, 0.0]]]
    """

    def __init__(self, keys: KeysCollection = "image", size: int = 64) -> None:
        super().__init__(keys)
        if size < 1:
            raise ValueError(f"size must be at least 1 pixel, got {size}")
        self.size = size

    def changed(self, image: Any) -> torch.Tensor:
        image = torch.as_tensor(image)
        if image.ndim != 3 or image.shape[0] not in (1, 3) or not image.numel():
            raise ValueError(f"an image must be [C, H, W] with 1 or 3 channels, got shape {list(image.shape)}")
        if image.shape[1:] == (self.size, self.size):
            return image
        pixels = image.to(torch.uint8)
        if not torch.equal(pixels.to(image.dtype), image):
            raise ValueError("an image must have 8 bits, whole numbers from 0 to 255; crop before scaling intensities")
        picture = Image.fromarray(pixels[0].numpy() if len(pixels) == 1 else pixels.permute(1, 2, 0).numpy())
        while min(picture.size) >= 2 * self.size:
            picture = picture.resize((picture.width // 2, picture.height // 2), Image.Resampling.BOX)
        scale = self.size / min(picture.size)
        shape = (round(picture.width * scale), round(picture.height * scale))
        array = np.asarray(picture.resize(shape, Image.Resampling.BICUBIC)).reshape(shape[1], shape[0], -1)
        top, left = (shape[1] - self.size) // 2, (shape[0] - self.size) // 2
        square = array[top : top + self.size, left : left + self.size]
        return torch.from_numpy(square.transpose(2, 0, 1).astype(np.float32))
