"""Test of the copy detector: slightly changed training images are planted and searched for."""

import hashlib
from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from monai_minority.data.store.image_store import evenly
from monai_minority.evaluation.copies import CopyDetector
from monai_minority.evaluation.intervals import wilson

NOT_PLANTED = "none: real images never trained on"


class PlantedImages:
    """Images ``[N, C, H, W]`` in [-1, 1] that are read as an :class:`~monai_minority.data.ImageStore` is.

    >>> images = PlantedImages(torch.zeros(3, 1, 4, 4))
    >>> len(images), images.image_shape
    (3, (1, 4, 4))
    """

    def __init__(self, images: Tensor) -> None:
        self.images = images
        self.image_shape: tuple[int, ...] = tuple(images.shape[1:])
        self.content_hash = hashlib.sha256(images.contiguous().numpy().tobytes()).hexdigest()

    def __len__(self) -> int:
        return len(self.images)

    def batch(self, indices: Sequence[int] | np.ndarray) -> Tensor:
        return self.images[torch.as_tensor(np.asarray(indices))]


def planted_copies(detector: CopyDetector, count: int = 50, noise: float = 0.05, seed: int = 0) -> pd.DataFrame:
    """Plant changed training images and held-out real images, and count the suspected copies.

    Args:
        detector: detector of the store whose training images are planted.
        count: number of training images, spread evenly; each is changed in every way.
        noise: standard deviation of the noise, for pixels in [-1, 1].
        seed: seed of the noise and the moves.

    Returns:
        One row for each kind of change, and a last row :data:`NOT_PLANTED` for the control, if there is one:
        ``change``, ``n``, ``suspected`` (share) with its 95 % Wilson interval by subject from ``low`` to ``high``, and
        ``found`` (share whose nearest training image by pixels is the planted one; NaN for the control).
    """
    rows = detector.training[evenly(len(detector.training), count)]
    originals = detector.store.batch(rows)
    generator = torch.Generator().manual_seed(seed)

    def moved(images: Tensor, largest: int) -> Tensor:
        """Images moved by 1 to ``largest`` pixels along each axis and filled with the background."""
        steps = torch.randint(1, largest + 1, (len(images), 2), generator=generator)
        steps = steps * (torch.randint(0, 2, steps.shape, generator=generator) * 2 - 1)
        return torch.stack([_moved(image, *step) for image, step in zip(images, steps.tolist(), strict=True)])

    def noised(images: Tensor) -> Tensor:
        return (images + noise * torch.randn(images.shape, generator=generator)).clamp(-1, 1)

    changes: dict[str, Callable[[Tensor], Tensor]] = {
        "exact": lambda images: images,
        "mirrored": lambda images: images.flip(-1),
        "moved by 1 pixel": lambda images: moved(images, 1),
        "moved by 1 to 3 pixels": lambda images: moved(images, 3),
        f"noise of {noise:g}": noised,
        "mirrored, moved and noised": lambda images: noised(moved(images.flip(-1), 3)),
    }
    found = []
    for name, change in changes.items():
        table = detector.table(PlantedImages(change(originals)))
        found.append(_row(name, table, detector.subjects[rows], float((table["pixel_real"] == rows).mean())))
    if len(detector.control):
        table = detector.table(detector.store, detector.control)
        found.append(_row(NOT_PLANTED, table, detector.subjects[detector.control], float("nan")))
    return pd.DataFrame(found)


def _moved(image: Tensor, down: int, right: int) -> Tensor:
    height, width = image.shape[-2:]
    result = torch.full_like(image, -1.0)
    result[..., max(down, 0) : height + min(down, 0), max(right, 0) : width + min(right, 0)] = image[
        ..., max(-down, 0) : height + min(-down, 0), max(-right, 0) : width + min(-right, 0)
    ]
    return result


def _row(change: str, table: pd.DataFrame, subjects: np.ndarray, found: float) -> dict[str, float | str]:
    suspected = table["suspected_copy"].to_numpy()
    low, high = wilson(suspected, subjects)
    share = float(suspected.mean())
    return {"change": change, "n": len(table), "suspected": share, "low": low, "high": high, "found": found}
