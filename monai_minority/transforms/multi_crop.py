"""Random crops of a batch of images at two sizes, computed by two matrix products."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from monai_minority.transforms.resampling import blur_matrix, crop_matrix

PUBLISHED_SIZE = 224
"""Side in pixels of the crops for which the published widths of the blur were chosen."""


class Views(NamedTuple):
    """Crops of the same images at two sizes.

    Example:
        >>> import torch
        >>> from monai_minority.transforms import Views
        >>> views = Views(large=torch.zeros(2, 4, 1, 32, 32), small=torch.zeros(8, 4, 1, 16, 16))
        >>> views.large.shape[:2], views.small.shape[:2], views.device
        (torch.Size([2, 4]), torch.Size([8, 4]), device(type='cpu'))
    """

    large: Tensor
    """Crops of a large part of the image, ``[G, B, C, S, S]`` in [-1, 1]."""
    small: Tensor
    """Crops of a small part of the image, ``[L, B, C, s, s]`` in [-1, 1]."""

    @property
    def device(self) -> torch.device:
        return self.large.device


class CropParameters(NamedTuple):
    """Random numbers for one kind of crop, each ``[N, B]``. Lengths are shares of the side of the image."""

    top: Tensor
    left: Tensor
    height: Tensor
    width: Tensor
    flipped: Tensor
    blur: Tensor
    """Standard deviation in pixels of the crop; 0 means no blur."""
    brightness: Tensor
    contrast: Tensor
    solarised: Tensor

    def of(self, images: slice) -> "CropParameters":
        """The numbers for some images of the batch."""
        return CropParameters(*(value[:, images] for value in self))


class MultiCrop:
    """Two large and several small random crops of each image, for self-distillation (Caron et al., 2021).

    Resizing, mirroring and blurring are linear along each axis. A crop is therefore ``Y image X^T`` with one matrix per
    axis: cubic convolution with antialiasing, as if the crop were cut out and resized. Changes of brightness and
    contrast follow. The second large crop is rarely blurred and may be solarised. Colours are unchanged, because slices
    have none.

    Args:
        size: side of the large crops in pixels.
        small_size: side of the small crops in pixels.
        num_small: number of small crops per image.
        scale: smallest and largest share of the image area in a large crop.
        small_scale: smallest and largest share of the image area in a small crop.
        aspect: smallest and largest ratio of width to height of a crop. Its logarithm is uniform.
        flip: probability of mirroring left and right.
        blur: probabilities of blurring the first large crop, the second large crop, and a small crop.
        blur_width: smallest and largest standard deviation, in pixels of a crop of 224.
        jitter: largest change of brightness and of contrast: factors are uniform in 1 plus or minus ``jitter``, for
            images in [0, 1].
        jitter_chance: probability of changing them.
        solarise: probability of inverting pixels brighter than mid-grey in the second large crop.

    Raises:
        ValueError: a size is not positive, a range is empty or outside its bounds, or a probability is outside [0, 1].

    Example:
        >>> import torch
        >>> from monai_minority.transforms import MultiCrop
        >>> crop = MultiCrop(size=8, small_size=4, num_small=3)
        >>> views = crop(torch.zeros(2, 1, 16, 16), torch.Generator().manual_seed(0))
        >>> views.large.shape, views.small.shape
        (torch.Size([2, 2, 1, 8, 8]), torch.Size([3, 2, 1, 4, 4]))
    """

    def __init__(
        self,
        size: int = 224,
        small_size: int = 96,
        num_small: int = 8,
        scale: Sequence[float] = (0.25, 1.0),
        small_scale: Sequence[float] = (0.05, 0.25),
        aspect: Sequence[float] = (3 / 4, 4 / 3),
        flip: float = 0.5,
        blur: Sequence[float] = (1.0, 0.1, 0.5),
        blur_width: Sequence[float] = (0.1, 2.0),
        jitter: float = 0.4,
        jitter_chance: float = 0.8,
        solarise: float = 0.2,
    ) -> None:
        if min(size, small_size) < 1 or num_small < 0:
            raise ValueError(
                f"size and small_size must be positive and num_small at least 0, got {size}, {small_size}, {num_small}"
            )
        for name, (low, high), limit in (
            ("scale", scale, 1.0),
            ("small_scale", small_scale, 1.0),
            ("aspect", aspect, float("inf")),
            ("blur_width", blur_width, float("inf")),
        ):
            if not 0 < low <= high <= limit:
                raise ValueError(f"{name} must be (low, high) with 0 < low <= high <= {limit:g}, got {(low, high)}")
        for name, chances in (("flip", [flip]), ("blur", blur), ("jitter", [jitter, jitter_chance, solarise])):
            if not all(0 <= chance <= 1 for chance in chances):
                raise ValueError(f"chances and strengths of {name} must be in [0, 1], got {list(chances)}")
        self.size = size
        self.small_size = small_size
        self.num_small = num_small
        self.scale = tuple(scale)
        self.small_scale = tuple(small_scale)
        self.aspect = tuple(aspect)
        self.flip = flip
        self.blur = tuple(blur)
        self.blur_width = tuple(blur_width)
        self.jitter = jitter
        self.jitter_chance = jitter_chance
        self.solarise = solarise

    def __call__(self, images: Tensor, generator: torch.Generator, total: int | None = None, offset: int = 0) -> Views:
        """Crop images.

        Args:
            images: ``[B, C, H, W]`` in [-1, 1], on any device.
            generator: a generator on the CPU. It draws for all ``total`` images, so that crops do not depend on how a
                batch is divided among processes.
            total: number of images in the whole batch. ``None``: ``images`` is the whole batch.
            offset: position of ``images`` in the whole batch.
        """
        total = len(images) if total is None else total
        mine = slice(offset, offset + len(images))
        first = self.draw(1, total, self.scale, self.size, self.blur[0], 0.0, generator)
        second = self.draw(1, total, self.scale, self.size, self.blur[1], self.solarise, generator)
        large = CropParameters(*(torch.cat(pair) for pair in zip(first, second, strict=True)))
        small = self.draw(self.num_small, total, self.small_scale, self.small_size, self.blur[2], 0.0, generator)
        return Views(cut(images, large.of(mine), self.size), cut(images, small.of(mine), self.small_size))

    def draw(
        self,
        number: int,
        images: int,
        scale: Sequence[float],
        size: int,
        blur: float,
        solarise: float,
        generator: torch.Generator,
    ) -> CropParameters:
        """Draw the random numbers for ``number`` crops of each of ``images`` images."""

        def uniform(low: float, high: float) -> Tensor:
            return low + (high - low) * torch.rand(number, images, generator=generator)

        def happens(chance: float) -> Tensor:
            return torch.rand(number, images, generator=generator) < chance

        area = uniform(*scale)
        low, high = torch.tensor(self.aspect).log().tolist()
        root = uniform(low, high).div(2).exp()
        width, height = (area.sqrt() * root).clamp(max=1), (area.sqrt() / root).clamp(max=1)
        widths = uniform(*self.blur_width) * size / PUBLISHED_SIZE
        changed = happens(self.jitter_chance)
        return CropParameters(
            top=uniform(0, 1) * (1 - height),
            left=uniform(0, 1) * (1 - width),
            height=height,
            width=width,
            flipped=happens(self.flip),
            blur=torch.where(happens(blur), widths, 0.0),
            brightness=torch.where(changed, uniform(1 - self.jitter, 1 + self.jitter), 1.0),
            contrast=torch.where(changed, uniform(1 - self.jitter, 1 + self.jitter), 1.0),
            solarised=happens(solarise),
        )


def cut(images: Tensor, crops: CropParameters, size: int) -> Tensor:
    """Cut the crops that ``crops`` describes.

    Args:
        images: ``[B, C, H, W]`` in [-1, 1].
        crops: parameters ``[N, B]`` of ``N`` crops per image.
        size: side of a crop in pixels.

    Returns:
        ``[N, B, C, size, size]`` in [-1, 1].
    """
    height, width = images.shape[-2:]
    crops = CropParameters(*(value.to(images.device) for value in crops))
    blur = blur_matrix(crops.blur, size)
    rows = blur @ crop_matrix(crops.top * height, crops.height * height, height, size)
    columns = blur @ crop_matrix(crops.left * width, crops.width * width, width, size)
    columns = torch.where(crops.flipped[..., None, None], columns.flip(-2), columns)
    cropped = rows[:, :, None] @ images @ columns[:, :, None].mT

    def of_each(values: Tensor) -> Tensor:
        return values[..., None, None, None]

    grey = ((cropped + 1) / 2).clamp(0, 1)
    grey = (grey * of_each(crops.brightness)).clamp(0, 1)
    mean = grey.mean((-3, -2, -1), keepdim=True)
    grey = (mean + (grey - mean) * of_each(crops.contrast)).clamp(0, 1)
    grey = torch.where(of_each(crops.solarised) & (grey >= 0.5), 1 - grey, grey)
    return 2 * grey - 1
