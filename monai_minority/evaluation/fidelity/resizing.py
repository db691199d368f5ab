"""Resizing as in clean-fid: anti-aliased, in floating point, without intermediate rounding to bytes."""

import numpy as np
import torch
from cleanfid.resize import make_resizer
from torch import Tensor


class CleanResize:
    """Pillow's bicubic filter on each channel in float32, with values limited to [0, 255] (Parmar et al., 2022).

    It calls clean-fid, so it runs on the CPU, one image at a time.

    Args:
        size: height and width of the result.

    Attributes:
        name: name in results.

    Example:
        >>> import numpy as np
        >>> from monai_minority.evaluation.fidelity import CleanResize
        >>> resize = CleanResize(4)
        >>> resize(np.full((1, 8, 8, 3), 200, np.uint8)).shape, resize.name
        ((1, 4, 4, 3), 'clean-fid bicubic 4x4')
    """

    def __init__(self, size: int | tuple[int, int]) -> None:
        height, width = (size, size) if isinstance(size, int) else size
        self._resize = make_resizer("PIL", quantize_after=False, filter="bicubic", output_size=(width, height))
        self.name = f"clean-fid bicubic {height}x{width}"

    def __call__(self, images: np.ndarray) -> np.ndarray:
        """Resize ``[B, h, w, 3]`` in [0, 255] (uint8 or float) to float32 ``[B, H, W, 3]`` in [0, 255].

        Raises:
            ValueError: the images have another shape.
        """
        if images.ndim != 4 or images.shape[-1] != 3:
            raise ValueError(f"images must be [B, h, w, 3] in [0, 255], got shape {images.shape}")
        return np.stack([self._resize(image) for image in images])

    def tensor(self, images: Tensor) -> Tensor:
        """Resize ``[B, 3, h, w]`` in [0, 255] to float32 ``[B, 3, H, W]`` in [0, 255], on the same device."""
        resized = self(images.permute(0, 2, 3, 1).cpu().numpy())
        return torch.from_numpy(resized).permute(0, 3, 1, 2).to(images.device)
