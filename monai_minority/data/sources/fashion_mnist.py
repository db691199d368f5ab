"""Fashion-MNIST: 60,000 training and 10,000 test pictures of clothes, 28 x 28 pixels, grey (Xiao et al., 2017)."""

import gzip
import math
import struct
from functools import partial
from pathlib import Path

import numpy as np

from monai_minority.data.cohort.cohort import Cohort
from monai_minority.data.sources.layout import PathLike, array_cohort, existing_set, read_parts
from monai_minority.keys import Split

CLASSES = ["T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"]
LAYOUT = (
    "train-images-idx3-ubyte, train-labels-idx1-ubyte and their t10k twins, with or without .gz (Debian's package "
    "dataset-fashion-mnist has them in /usr/share/datasets/fashion-mnist)"
)
_PARTS = {"train": Split.TRAIN, "t10k": Split.TEST}


def fashion_mnist(path: PathLike, max_images: int | None = None) -> Cohort:
    """Fashion-MNIST from its IDX files.

    Args:
        path: folder of the files, or a folder above it as in torchvision (``FashionMNIST/raw``).
        max_images: largest number of images per split. ``None`` keeps all.

    Returns:
        A cohort with ``split`` (train, test), ``group`` (name of the class) and ``class_label``. A missing or damaged
        part is rejected by name.

    Raises:
        FileNotFoundError: there is no part of the data set. The message shows the expected layout.

    Example:
        >>> import struct, tempfile
        >>> from pathlib import Path
        >>> from monai_minority.data.sources import fashion_mnist
        >>> images = bytes([0, 0, 8, 3]) + struct.pack(">3I", 2, 28, 28) + bytes(2 * 28 * 28)
        >>> labels = bytes([0, 0, 8, 1]) + struct.pack(">I", 2) + bytes([8, 0])
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     for part in ("train", "t10k"):
        ...         size = (Path(folder) / f"{part}-images-idx3-ubyte").write_bytes(images)
        ...         size = (Path(folder) / f"{part}-labels-idx1-ubyte").write_bytes(labels)
        ...     cohort = fashion_mnist(folder)
        >>> cohort.table[["split", "group"]].to_numpy().tolist()[:2]
        [['train', 'Bag'], ['train', 'T-shirt/top']]
    """
    path = existing_set(path, "Fashion-MNIST", LAYOUT)
    files = {_find(path, f"{name}-images-idx3-ubyte"): split for name, split in _PARTS.items()}
    parts = read_parts(path, "Fashion-MNIST", LAYOUT, files, partial(_labels, path), read_idx)
    return array_cohort(*parts, CLASSES, max_images)


def _labels(path: Path, images: Path) -> np.ndarray:
    """Labels for the images of a file. The label file may be in any of the searched folders."""
    try:
        name = images.name.removesuffix(".gz").replace("images-idx3", "labels-idx1")
        pixels, labels = read_idx(images), read_idx(_find(path, name)).astype(np.int64)
    except FileNotFoundError as error:
        raise ValueError(f"{error.filename} is missing") from None
    if pixels.ndim != 3 or labels.shape != (len(pixels),) or labels.max() >= len(CLASSES):
        raise ValueError(
            f"it must have images [N, H, W] and labels [N] below {len(CLASSES)}, got {pixels.shape} and {labels.shape} "
            f"up to {labels.max()}"
        )
    return labels


def read_idx(file: Path) -> np.ndarray:
    """Read the array of bytes of an IDX file, gzipped or not.

    Raises:
        FileNotFoundError: the file does not exist.
        ValueError: the file is not an IDX file of bytes, or its length differs from its header.
    """
    content = gzip.decompress(file.read_bytes()) if file.suffix == ".gz" else file.read_bytes()
    if len(content) < 4 or content[:3] != b"\0\0\x08":
        raise ValueError(f"{file.name} is not an IDX file of unsigned bytes")
    dimensions = content[3]
    start = 4 + 4 * dimensions
    shape = struct.unpack(f">{dimensions}I", content[4:start].ljust(4 * dimensions, b"\0"))
    if len(content) - start != math.prod(shape):
        raise ValueError(
            f"{file.name} must hold {math.prod(shape)} values of shape {shape}, got {len(content) - start}"
        )
    return np.frombuffer(content, np.uint8, offset=start).reshape(shape)


def _find(path: Path, name: str) -> Path:
    """The file in the first folder that has it; if none has it, its path in the first folder."""
    places = [
        folder / (name + suffix)
        for folder in (path, path / "raw", path / "FashionMNIST" / "raw")
        for suffix in (".gz", "")
    ]
    return next((place for place in places if place.is_file()), places[0])
