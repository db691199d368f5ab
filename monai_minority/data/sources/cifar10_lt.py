"""CIFAR-10-LT: CIFAR-10 with training classes of exponentially decreasing size (Cao et al., NeurIPS 2019)."""

from dataclasses import replace

import numpy as np

from monai_minority.data.cohort.cohort import Cohort
from monai_minority.data.sources.cifar10 import CLASSES, cifar10
from monai_minority.data.sources.layout import PathLike
from monai_minority.keys import Column, Split


def cifar10_lt(path: PathLike, factor: float = 0.01, seed: int = 0) -> Cohort:
    """CIFAR-10 with ``n_0 * factor ** (c / 9)`` training images of class ``c``, rounded down.

    ``n_0`` is the mean size of the classes. For the whole set it is 5000, and a factor of 0.01 leaves 12,406 images,
    from 5000 airplanes to 50 trucks. The images are drawn as in the published code, so seed 0 and the whole set in
    batches give the published subset. The other images move to the split ``reference``, which is never used for
    training.

    Args:
        path: see :func:`~monai_minority.data.sources.cifar10`.
        factor: size of the last class divided by the size of the first, in (0, 1].
        seed: seed of the draw.

    Raises:
        FileNotFoundError: there is no CIFAR-10 at ``path``.
        ValueError: ``factor`` is out of range, or a class has fewer images than the formula requires.

    Example:
        >>> import tempfile, numpy as np
        >>> from pathlib import Path
        >>> from monai_minority.data.sources import cifar10_lt
        >>> records = np.zeros((40, 1 + 3 * 32 * 32), np.uint8)
        >>> records[:, 0] = np.arange(40) % 10  # four images of each class
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     for name in ("data_batch_1.bin", "test_batch.bin"):
        ...         size = (Path(folder) / name).write_bytes(records.tobytes())
        ...     table = cifar10_lt(folder, factor=0.25).table
        >>> table[table["split"] == "train"]["class_label"].value_counts().sort_index().tolist()
        [4, 3, 2, 2, 2, 1, 1, 1, 1, 1]
    """
    cohort = cifar10(path)
    table = cohort.table
    labels = table[Column.CLASS_LABEL].to_numpy()
    learned = ((table[Column.SPLIT] == Split.TRAIN) | table[Column.SPLIT].isna()).to_numpy()
    numbers = exponential_numbers(int(learned.sum()) / len(CLASSES), len(CLASSES), factor)
    # The published code draws with NumPy's legacy generator, one class after another.
    generator = np.random.RandomState(seed)
    moved = learned.copy()
    for label, number in enumerate(numbers):
        rows = np.flatnonzero(learned & (labels == label))
        if len(rows) < number:
            raise ValueError(
                f"{CLASSES[label]} must have {number} training images for factor={factor}, got {len(rows)}"
            )
        generator.shuffle(rows)
        moved[rows[:number]] = False
    return replace(cohort, table=table.assign(**{Column.SPLIT: table[Column.SPLIT].mask(moved, str(Split.REFERENCE))}))


def exponential_numbers(largest: float, classes: int, factor: float) -> list[int]:
    """Sizes of the classes: ``largest * factor ** (c / (classes - 1))``, rounded down.

    Raises:
        ValueError: ``factor`` is not in (0, 1], or makes a class empty.
    """
    if not 0 < factor <= 1:
        raise ValueError(f"factor must be in (0, 1] (size of the last class divided by the first), got {factor}")
    numbers = [int(largest * factor ** (c / (classes - 1.0))) for c in range(classes)]
    if not numbers[-1]:
        raise ValueError(
            f"factor={factor} leaves the last class empty (the first has {largest:g} images); choose a larger factor"
        )
    return numbers
