"""Load a picture with its stored values."""

import os
import warnings
from typing import IO

import numpy as np
import torch
from monai.config import KeysCollection
from PIL import Image, ImageOps

from monai_minority.data.paths import checked_size
from monai_minority.keys import SYNTHETIC_NOTE, SYNTHETIC_REFUSAL
from monai_minority.transforms.each_key import EachKey

# Formats that are decoded, so that no file can choose a reader that runs another program.
_FORMATS = ("BMP", "GIF", "JPEG", "PNG", "PPM", "TIFF", "WEBP")
_SIXTEEN_BITS = ("I;16", "I;16B", "I;16L")


class LoadPictured(EachKey):
    """Load a picture as a float32 tensor ``[C, H, W]`` of its stored values, with row 0 at the top.

    A picture that its EXIF tag says to turn is turned, as viewers show it.

    Args:
        keys: keys that hold paths, open binary files, or 8-bit arrays ``[H, W]`` or ``[H, W, 3]``.
        mode: ``"grey"`` (C = 1, 8 or 16 bits) or ``"rgb"`` (C = 3).
        convert: convert pictures of another mode to ``mode``, with values from 0 to 255; those of 16 bits keep their
            range, so that 65535 becomes 255. Otherwise they raise, because colour in a grey data set is usually a
            mistake.
        max_bytes: size of the largest picture that is decoded, as float32.

    Raises:
        ValueError: ``mode`` is unknown; or a picture has another mode, is too large, cannot be decoded, is one of
            several in its file, or bears the mark of generated images.

    Example:
        >>> import tempfile
        >>> from PIL import Image
        >>> from monai_minority.transforms import LoadPictured
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     Image.new("L", (3, 2), 7).save(f"{folder}/grey.png")
        ...     LoadPictured()({"image": f"{folder}/grey.png"})["image"].tolist()
        [[[7.0, 7.0, 7.0], [7.0, 7.0, 7.0]]]
    """

    _accepted = {"grey": ("L", *_SIXTEEN_BITS), "rgb": ("RGB",)}

    def __init__(
        self, keys: KeysCollection = "image", mode: str = "grey", convert: bool = False, max_bytes: int = 1 << 30
    ) -> None:
        super().__init__(keys)
        if mode not in self._accepted:
            raise ValueError(f"mode must be one of {', '.join(self._accepted)}, got {mode!r}")
        self.mode = mode
        self.convert = convert
        self.max_bytes = max_bytes

    def changed(self, source: str | os.PathLike[str] | IO[bytes] | np.ndarray) -> torch.Tensor:
        picture = Image.fromarray(source) if isinstance(source, np.ndarray) else self._decoded(source)
        deep = picture.mode in _SIXTEEN_BITS
        if picture.mode not in self._accepted[self.mode] and not self.convert:
            raise ValueError(
                f"the picture has mode {picture.mode}, not {self.mode}; set mode, or convert=True to convert it"
            )
        if self.convert and (deep or picture.mode in ("I", "F")):
            if not deep:
                raise ValueError(
                    f"the picture has 32 bits (mode {picture.mode}), so the range of its values is unknown"
                )
            pixels = torch.from_numpy(np.asarray(picture).astype(np.float32) / 257)[None]
            return pixels if self.mode == "grey" else pixels.repeat(3, 1, 1)
        if picture.mode not in self._accepted[self.mode]:
            picture = picture.convert("L" if self.mode == "grey" else "RGB")
        pixels = torch.from_numpy(np.asarray(picture).astype(np.float32))
        return pixels[None] if pixels.ndim == 2 else pixels.permute(2, 0, 1).contiguous()

    def _decoded(self, source: str | os.PathLike[str] | IO[bytes]) -> Image.Image:
        if isinstance(source, str | os.PathLike):
            checked_size(source)
        try:
            with warnings.catch_warnings(action="ignore"), Image.open(source, formats=_FORMATS) as file:
                width, height = file.size
                if 4 * width * height * len(file.getbands()) > self.max_bytes:
                    raise ValueError(
                        f"a picture of {width} x {height} pixels exceeds the {self.max_bytes} bytes allowed; raise "
                        "max_volume_gib"
                    )
                count = getattr(file, "n_frames", 1)
                if count > 1 and file.format != "MPO":  # a JPEG whose further pictures are previews
                    raise ValueError(f"the file holds {count} pictures, not one; save each as a file of its own")
                file.load()
                if str(file.info.get("Description", "")).startswith(SYNTHETIC_NOTE[:10]):
                    raise ValueError(SYNTHETIC_REFUSAL)
                return ImageOps.exif_transpose(file)
        except Image.DecompressionBombError:
            raise ValueError("the picture claims more pixels than are ever decoded") from None
        except (OSError, SyntaxError) as error:
            if isinstance(error, OSError) and error.errno is not None:
                raise
            raise ValueError("the picture cannot be decoded: it is damaged, or its ending is wrong") from None
