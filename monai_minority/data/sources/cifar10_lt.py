"""CIFAR-10-LT: CIFAR-10 whose training classes thin out exponentially (Cao et al., NeurIPS 2019)."""

from dataclasses import replace

import numpy as np

from monai_minority.data.cohort.cohort import Cohort
from monai_minority.data.sources.cifar10 import CLASSES, cifar10
from monai_minority.data.sources.layout import PathLike
from monai_minority.keys import Column, Split


def cifar10_lt(path: PathLike, factor: float = 0.01, seed: int = 0) -> Cohort:
    """CIFAR-10 with ``n_0 * factor ** (c / 9)`` training images of class ``c``, rounded down.

    ``n_0`` is the mean size of the classes: 5000 of the whole set, which with a factor of 0.01 leaves 12,406
    images, from 5000 airplanes to 50 trucks. Which ones is drawn as the published code draws them, so seed 0 on
    the whole set in its batches gives the published subset. The others move to the split ``reference``, which is
    never learned from.

    Args:
        path: see :func:`~monai_minority.data.sources.cifar10`.
        factor: size of the last class over that of the first, in (0, 1].
        seed: of the draw.

    Raises:
        FileNotFoundError: there is no CIFAR-10 at ``path``.
        ValueError: ``factor`` is out of range, or a class has fewer images than the rule asks for.
    """
    cohort = cifar10(path)
    table = cohort.table
    labels = table[Column.CLASS_LABEL].to_numpy()
    learned = ((table[Column.SPLIT] == Split.TRAIN) | table[Column.SPLIT].isna()).to_numpy()
    numbers = exponential_numbers(int(learned.sum()) / len(CLASSES), len(CLASSES), factor)
    # The published draw is that of numpy's first generator, one class after another.
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
        ValueError: ``factor`` is not in (0, 1], or leaves a class empty.
    """
    if not 0 < factor <= 1:
        raise ValueError(f"factor must be in (0, 1], the last class's size over the first's, got {factor}")
    numbers = [int(largest * factor ** (c / (classes - 1.0))) for c in range(classes)]
    if not numbers[-1]:
        raise ValueError(f"factor={factor} leaves no image of the last class of {largest:g}; give a larger one")
    return numbers
