"""CIFAR-10: 50,000 training and 10,000 test images of 32 x 32 pixels in ten classes (Krizhevsky, 2009)."""

import pickle
from pathlib import Path
from typing import Any

import numpy as np

from monai_minority.data.cohort.cohort import Cohort
from monai_minority.data.sources.image_folder import image_folder, with_class_labels
from monai_minority.data.sources.layout import PathLike, array_cohort, existing_set, not_there, read_parts
from monai_minority.keys import Split

CLASSES = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"]
LAYOUT = (
    "cifar-10-batches-py/ (data_batch_1 to 5, test_batch), cifar-10-batches-bin/ (the same with .bin), or pictures as "
    "train/<class>/… and test/<class>/…"
)
_BATCHES = {f"data_batch_{i}": Split.TRAIN for i in range(1, 6)} | {"test_batch": Split.TEST}
_PIXELS = 3 * 32 * 32


def cifar10(path: PathLike, max_images: int | None = None) -> Cohort:
    """CIFAR-10 from its batches, in the Python or the binary format, or from pictures in folders.

    The batches may be incomplete: a missing or damaged batch is rejected by name. The Python format is read without
    executing code from the file.

    Args:
        path: folder of the batches or pictures, or the folder above it.
        max_images: largest number of images per split. ``None`` keeps all.

    Returns:
        A cohort with ``split`` (train, test), ``group`` (name of the class) and ``class_label``. Training images are
        in the order of the batches.

    Raises:
        FileNotFoundError: there is no part of CIFAR-10. The message shows the expected layout.

    Example:
        >>> import tempfile, numpy as np
        >>> from pathlib import Path
        >>> from monai_minority.data.sources import cifar10
        >>> records = np.zeros((2, 1 + 3 * 32 * 32), np.uint8)
        >>> records[:, 0] = 3, 9  # in the binary format, a byte for the label precedes the pixels
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     for name in ("data_batch_1.bin", "test_batch.bin"):
        ...         size = (Path(folder) / name).write_bytes(records.tobytes())
        ...     cohort = cifar10(folder)
        >>> cohort.table[["split", "group"]].to_numpy().tolist()
        [['train', 'cat'], ['train', 'truck'], ['test', 'cat'], ['test', 'truck']]
        >>> [entry.reason for entry in cohort.rejected[:1]], cohort.images[0].shape
        (['the file is missing from CIFAR-10'], (32, 32, 3))
    """
    path = existing_set(path, "CIFAR-10", LAYOUT)
    for place, suffix in (("cifar-10-batches-py", ""), ("cifar-10-batches-bin", ".bin"), ("", ""), ("", ".bin")):
        files = {path / place / f"{name}{suffix}": split for name, split in _BATCHES.items()}
        if any(map(Path.is_file, files)):
            parts = read_parts(path / place, "CIFAR-10", LAYOUT, files, lambda file: _batch(file)[1], _images)
            return array_cohort(*parts, CLASSES, max_images)
    if not path.is_dir() or not any((path / part).is_dir() for part in ("train", "test", *CLASSES)):
        raise not_there(path, "CIFAR-10", LAYOUT)
    return with_class_labels(image_folder(path, max_images), CLASSES, "CIFAR-10")


def _images(file: Path) -> np.ndarray:
    """Images ``[N, 32, 32, 3]``; the file stores them channel by channel."""
    return _batch(file)[0].reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)


def _batch(file: Path) -> tuple[np.ndarray, np.ndarray]:
    """Pixels ``[N, 3072]`` and labels ``[N]`` of a batch."""
    if file.suffix == ".bin":
        content = np.fromfile(file, dtype=np.uint8)
        if not content.size or content.size % (_PIXELS + 1):
            raise ValueError(f"its size must be a multiple of {_PIXELS + 1} bytes, got {content.size}")
        records = content.reshape(-1, _PIXELS + 1)
        pixels, labels = records[:, 1:], records[:, 0]
    else:
        with file.open("rb") as opened:
            content = _ArrayUnpickler(opened, encoding="latin1").load()
        found = {key.decode() if isinstance(key, bytes) else key: value for key, value in content.items()}
        pixels, labels = np.asarray(found["data"], dtype=np.uint8), np.asarray(found["labels"])
    if pixels.shape != (len(labels), _PIXELS) or (len(labels) and not 0 <= labels.min() <= labels.max() < len(CLASSES)):
        raise ValueError(
            f"it must have pixels [N, {_PIXELS}] and labels below {len(CLASSES)}, got {pixels.shape} and labels up to "
            f"{labels.max()}"
        )
    return pixels, labels.astype(np.int64)


class _ArrayUnpickler(pickle.Unpickler):
    """An unpickler that reads dictionaries, lists, numbers, text and NumPy arrays, and refuses all other calls."""

    def find_class(self, module: str, name: str) -> Any:
        allowed = {
            "_reconstruct": np.empty(0).__reduce__()[0],  # the name of its module depends on the version of NumPy
            "ndarray": np.ndarray,
            "dtype": np.dtype,
        }
        if module.partition(".")[0] == "numpy" and name in allowed:
            return allowed[name]
        if (module, name) == ("_codecs", "encode"):
            return super().find_class(module, name)
        raise pickle.UnpicklingError(f"it asks for {module}.{name}, which no batch of CIFAR-10 needs; it is not read")
