"""Import images that another program generated."""

import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image

from monai_minority.data.cohort.contents import PICTURES
from monai_minority.data.paths import PathLike, existing, walk
from monai_minority.data.sources.npz import map_member, members, read_labels
from monai_minority.samples.plan import SamplePlan


class ImportedSamples:
    """Generated images in a ``.npz`` archive in the format of guided-diffusion, or in a folder of pictures.

    Programs such as BigGAN, StyleGAN and StyleGAN2-ADA write these formats. An archive has the images as ``arr_0``,
    uint8 ``[N, H, W, 3]`` or ``[N, H, W]``, and optionally class labels as ``arr_1`` ``[N]``. A folder is read at any
    depth in alphabetical order and has no labels. Iteration yields float32 batches ``[B, C, H, W]`` in [-1, 1], with
    byte 0 as -1 and byte 255 as 1. It can be repeated.

    A colour image with three equal channels counts as grey, because many programs write grey images this way.

    Args:
        path: the archive or the folder.
        shape: required shape ``(C, H, W)``, that of the real images for comparison.
        resize: resample images of another size (bicubic, antialiased). Otherwise they raise, because resampling
            affects the measures.
        convert: convert colour to grey (ITU-R 601-2 luma), or grey to three equal channels, to match ``shape``.
            Otherwise such images raise.
        max_images: largest number of images, from the first. ``None`` imports all.
        batch_size: number of images per batch.

    Raises:
        FileNotFoundError: ``path`` does not exist.
        ValueError: ``path`` is neither an archive nor a folder, it holds no image, or an image does not fit. The
            message names the file and the rule. A set is imported as a whole or not at all.

    Example:
        >>> import tempfile, numpy as np
        >>> from monai_minority.samples import ImportedSamples
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     np.savez(f"{folder}/gan.npz", np.full((3, 8, 8), 255, np.uint8))
        ...     samples = ImportedSamples(f"{folder}/gan.npz", shape=(1, 8, 8), batch_size=2)
        ...     len(samples), [(batch.shape, float(batch.max())) for batch in samples]
        (3, [((2, 1, 8, 8), 1.0), ((1, 1, 8, 8), 1.0)])
    """

    def __init__(
        self,
        path: PathLike,
        shape: tuple[int, int, int],
        resize: bool = False,
        convert: bool = False,
        max_images: int | None = None,
        batch_size: int = 64,
    ) -> None:
        if max_images is not None and max_images < 1:
            raise ValueError(f"max_images must be at least 1, got {max_images}; null imports all")
        self.path = existing(path)
        self.shape = tuple(shape)
        self.resize = resize
        self.convert = convert
        self.batch_size = batch_size
        self._labels: np.ndarray | None = None
        self._source: np.ndarray | list[Path]
        if self.path.is_dir():
            self._source = sorted(walk(self.path, PICTURES, []))
        else:
            self._source = self._archive()
        if not len(self._source):
            raise ValueError(f"{self.path} holds no image; give a .npz archive or a folder of {', '.join(PICTURES)}")
        self._source = self._source[:max_images]
        self._labels = None if self._labels is None else self._labels[:max_images]

    @property
    def plan(self) -> SamplePlan:
        """The plan of the images: unguided, with the number of the image as its seed, and with its label if known."""
        return SamplePlan(len(self), class_labels=None if self._labels is None else self._labels.tolist())

    def __len__(self) -> int:
        return len(self._source)

    def __iter__(self) -> Iterator[np.ndarray]:
        for start in range(0, len(self), self.batch_size):
            numbers = range(start, min(start + self.batch_size, len(self)))
            yield np.stack([self._fitted(self._picture(i), self._name(i)) for i in numbers]) / np.float32(127.5) - 1

    def _archive(self) -> np.ndarray:
        try:
            images = map_member(self.path, "arr_0")
            if "arr_1" in members(self.path):
                self._labels = read_labels(self.path, "arr_1", len(images))
        except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
            reason = error.args[0] if isinstance(error, KeyError) else error
            raise ValueError(
                f"{self.path} must be a folder of pictures or a .npz archive with images arr_0 and, if any, labels "
                f"arr_1: {reason}"
            ) from error
        if (
            images.dtype != np.uint8
            or images.ndim not in (3, 4)
            or (images.ndim == 4 and images.shape[3] not in (1, 3))
        ):
            raise ValueError(
                f"{self.path}: arr_0 must be uint8 [N, H, W, 3] or [N, H, W], got {images.dtype} {list(images.shape)}; "
                "save images as bytes from 0 to 255, channels last"
            )
        return images[..., 0] if images.ndim == 4 and images.shape[3] == 1 else images

    def _name(self, number: int) -> str:
        source = self._source[number]
        return str(source) if isinstance(source, Path) else f"{self.path}, image {number}"

    def _picture(self, number: int) -> np.ndarray:
        """Bytes ``[H, W]`` or ``[H, W, 3]``."""
        source = self._source[number]
        if not isinstance(source, Path):
            return np.asarray(source)
        try:
            with Image.open(source) as file:
                file.load()
                if file.mode not in ("L", "RGB"):
                    raise ValueError(f"its mode must be L (grey) or RGB of 8 bits, got {file.mode}")
                return np.asarray(file)
        except (OSError, SyntaxError, ValueError) as error:
            raise ValueError(f"{source} cannot be imported: {error}; correct it or remove it") from None

    def _fitted(self, picture: np.ndarray, name: str) -> np.ndarray:
        """Bytes of the required shape, as float32 ``[C, H, W]``."""
        channels, *size = self.shape
        if channels == 1 and picture.ndim == 3 and (picture == picture[..., :1]).all():
            picture = picture[..., 0]
        found = 1 if picture.ndim == 2 else 3
        if found != channels:
            if not self.convert:
                raise ValueError(
                    f"{name} must have {channels} channel(s) like the real images, got {found}; set "
                    "external_convert to true to convert it"
                )
            picture = np.asarray(Image.fromarray(picture).convert("L" if channels == 1 else "RGB"))
        if list(picture.shape[:2]) != size:
            if not self.resize:
                raise ValueError(
                    f"{name} must have {size[0]} x {size[1]} pixels like the real images, got "
                    f"{picture.shape[0]} x {picture.shape[1]}; set external_resize to true to resample it"
                )
            picture = np.asarray(Image.fromarray(picture).resize((size[1], size[0]), Image.Resampling.BICUBIC))
        pixels = picture.astype(np.float32)
        return pixels[None] if pixels.ndim == 2 else np.moveaxis(pixels, 2, 0)
