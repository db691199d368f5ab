"""Load a picture with its stored values."""

import os
from collections.abc import Hashable, Mapping
from typing import IO, Any

import numpy as np
import torch
from monai.config import KeysCollection
from monai.transforms import MapTransform
from PIL import Image

from monai_minority.keys import SYNTHETIC_NOTE, SYNTHETIC_REFUSAL


class LoadPictured(MapTransform):
    """Load a picture as a float32 tensor ``[C, H, W]`` of its stored values, with row 0 at the top.

    Args:
        keys: keys that hold paths, open binary files, or 8-bit arrays ``[H, W]`` or ``[H, W, 3]``.
        mode: ``"grey"`` (C = 1, 8 or 16 bits) or ``"rgb"`` (C = 3).
        convert: convert pictures of another mode to ``mode``. Otherwise they raise, because colour in a grey data set
            is usually a mistake.

    Raises:
        ValueError: ``mode`` is unknown, or a picture has another mode, cannot be decoded or bears the mark of
            generated images.

    Example:
        >>> import tempfile
        >>> from PIL import Image
        >>> from monai_minority.transforms import LoadPictured
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     Image.new("L", (3, 2), 7).save(f"{folder}/grey.png")
        ...     LoadPictured()({"image": f"{folder}/grey.png"})["image"].tolist()
        [[[7.0, 7.0, 7.0], [7.0, 7.0, 7.0]]]
    """

    _accepted = {"grey": ("L", "I;16", "I;16B"), "rgb": ("RGB",)}

    def __init__(self, keys: KeysCollection = "image", mode: str = "grey", convert: bool = False) -> None:
        super().__init__(keys)
        if mode not in self._accepted:
            raise ValueError(f"mode must be one of {', '.join(self._accepted)}, got {mode!r}")
        self.mode = mode
        self.convert = convert

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        result = dict(data)
        for key in self.key_iterator(result):
            result[key] = self._load(result[key])
        return result

    def _load(self, source: str | os.PathLike[str] | IO[bytes] | np.ndarray) -> torch.Tensor:
        picture = Image.fromarray(source) if isinstance(source, np.ndarray) else _decoded(source)
        if picture.mode not in self._accepted[self.mode]:
            if not self.convert:
                raise ValueError(
                    f"the picture has mode {picture.mode}, not {self.mode}; set mode, or convert=True to convert it"
                )
            picture = picture.convert("L" if self.mode == "grey" else "RGB")
        pixels = torch.from_numpy(np.asarray(picture).astype(np.float32))
        return pixels[None] if pixels.ndim == 2 else pixels.permute(2, 0, 1).contiguous()


def _decoded(source: str | os.PathLike[str] | IO[bytes]) -> Image.Image:
    try:
        with Image.open(source) as file:
            file.load()
            if str(file.info.get("Description", "")).startswith(SYNTHETIC_NOTE[:10]):
                raise ValueError(SYNTHETIC_REFUSAL)
            return file
    except (OSError, SyntaxError) as error:
        raise ValueError(f"the picture cannot be decoded: {error}") from None
