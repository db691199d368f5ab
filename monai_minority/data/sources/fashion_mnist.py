"""Fashion-MNIST: 60,000 training and 10,000 test pictures of clothes, 28 x 28, grey (Xiao et al., 2017)."""

import gzip
import math
import struct
from functools import partial
from pathlib import Path

import numpy as np

from monai_minority.data.cohort.cohort import Cohort
from monai_minority.data.sources.layout import PathLike, array_cohort, existing_set, finished, read_parts
from monai_minority.keys import Split

CLASSES = [
    "T-shirt/top",
    "Trouser",
    "Pullover",
    "Dress",
    "Coat",
    "Sandal",
    "Shirt",
    "Sneaker",
    "Bag",
    "Ankle boot",
]
LAYOUT = (
    "train-images-idx3-ubyte, train-labels-idx1-ubyte and their t10k twins, with or without .gz (Debian's package "
    "dataset-fashion-mnist has them in /usr/share/datasets/fashion-mnist)"
)
_PARTS = {"train": Split.TRAIN, "t10k": Split.TEST}


def fashion_mnist(path: PathLike, max_images: int | None = None) -> Cohort:
    """Fashion-MNIST as its IDX files.

    Args:
        path: folder of the files, or one above it as torchvision makes it (``FashionMNIST/raw``).
        max_images: at most so many images of each split.

    Returns:
        A cohort with ``split`` (train, test), ``group`` (name of the class) and ``class_label``. A part that is
        missing or damaged is rejected by name.

    Raises:
        FileNotFoundError: nothing of it is there; the message says what was expected.
    """
    path = existing_set(path, "Fashion-MNIST", LAYOUT)
    files = {_find(path, f"{name}-images-idx3-ubyte"): split for name, split in _PARTS.items()}
    parts = read_parts(path, "Fashion-MNIST", LAYOUT, files, partial(_labels, path), read_idx)
    return finished(array_cohort(parts.images, parts.splits, parts.labels, CLASSES, parts.rejected), max_images)


def _labels(path: Path, images: Path) -> np.ndarray:
    """Of the images of a file; their file lies beside it or in another of the places."""
    try:
        name = images.name.removesuffix(".gz").replace("images-idx3", "labels-idx1")
        pixels, labels = read_idx(images), read_idx(_find(path, name)).astype(np.int64)
    except FileNotFoundError as error:
        raise ValueError(f"{error.filename} is missing") from None
    if pixels.ndim != 3 or labels.shape != (len(pixels),) or labels.max() >= len(CLASSES):
        raise ValueError(f"it holds {pixels.shape} pixels for labels {labels.shape} to {labels.max()}")
    return labels


def read_idx(file: Path) -> np.ndarray:
    """The array of bytes of an IDX file, gzipped or not.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is no IDX file of bytes, or shorter or longer than it says.
    """
    content = gzip.decompress(file.read_bytes()) if file.suffix == ".gz" else file.read_bytes()
    if len(content) < 4 or content[:3] != b"\0\0\x08":
        raise ValueError(f"{file.name} is no IDX file of unsigned bytes")
    dimensions = content[3]
    start = 4 + 4 * dimensions
    shape = struct.unpack(f">{dimensions}I", content[4:start].ljust(4 * dimensions, b"\0"))
    if len(content) - start != math.prod(shape):
        raise ValueError(
            f"{file.name} must hold {math.prod(shape)} values of shape {shape}, got {len(content) - start}"
        )
    return np.frombuffer(content, np.uint8, offset=start).reshape(shape)


def _find(path: Path, name: str) -> Path:
    """The file in one of the places; the first place where there is none."""
    places = [
        folder / (name + suffix)
        for folder in (path, path / "raw", path / "FashionMNIST" / "raw")
        for suffix in (".gz", "")
    ]
    return next((place for place in places if place.is_file()), places[0])
