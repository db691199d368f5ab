"""The plan of a sample set: a seed and a target class for each image."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch.utils.data import Dataset

from monai_minority.data.store.batches import BatchPlan
from monai_minority.data.store.image_store import ImageStore, evenly
from monai_minority.keys import Column, Key, Split

UNGUIDED = -1


class SamplePlan(Dataset):
    """Seeds and target classes of one sample set, in batches for a sampling engine.

    Every class has the same seeds, so images of different classes differ only by the guidance.

    Args:
        images_per_class: number of images of each class.
        classes: minority classes to aim at. Empty for unguided sampling.
        first_seed: first seed. The images of each class have the seeds ``first_seed``, ``first_seed + 1``, ….
        class_labels: labels of the data set for a class-conditional network. The images of each class use them in
            turn.

    Raises:
        ValueError: ``images_per_class`` is not positive, a class is negative, or ``class_labels`` is empty.

    Example:
        >>> from monai_minority.samples import SamplePlan
        >>> plan = SamplePlan(images_per_class=2, classes=[0, 9], first_seed=100)
        >>> plan.targets.tolist(), plan.seeds.tolist()
        ([0, 0, 9, 9], [100, 101, 100, 101])
    """

    def __init__(
        self,
        images_per_class: int,
        classes: Sequence[int] = (),
        first_seed: int = 0,
        class_labels: Sequence[int] | None = None,
    ) -> None:
        if images_per_class < 1:
            raise ValueError(f"images_per_class must be positive, got {images_per_class}")
        if any(c < 0 for c in classes):
            raise ValueError(
                f"classes must be minority classes 0 … L-1, got {list(classes)}; leave it empty for no guidance"
            )
        if class_labels is not None and not len(class_labels):
            raise ValueError(
                "class_labels must name at least one label, got none; give num_class_labels or sample_labels"
            )
        targets = list(classes) or [UNGUIDED]
        self.targets = torch.tensor(targets).repeat_interleave(images_per_class)
        self.seeds = (torch.arange(images_per_class) + first_seed).repeat(len(targets))
        self.class_labels: torch.Tensor | None = None
        if class_labels is not None:
            turns = torch.arange(images_per_class) % len(class_labels)
            self.class_labels = torch.as_tensor(class_labels)[turns].repeat(len(targets))

    def __len__(self) -> int:
        return len(self.seeds)

    def __getitem__(self, plan: BatchPlan) -> dict[str, Any]:
        rows = np.asarray(plan.indices)
        batch = {Key.IMAGE.value: self.seeds[rows], Key.TARGET_CLASS.value: self.targets[rows], "step": plan.step}
        if self.class_labels is not None:
            batch[Key.CLASS_LABEL.value] = self.class_labels[rows]
        return batch

    def table(self, scale: float = 0.0, **columns: Any) -> dict[str, Any]:
        """The table of the sample store: identity, seed, target class, scale and the synthetic mark."""
        count = len(self)
        table = {
            Column.SOURCE: [f"synthetic_{row:06d}" for row in range(count)],
            Column.SLICE: [0] * count,
            Column.SEED: self.seeds.numpy(),
            Column.TARGET_CLASS: self.targets.numpy(),
            Column.SCALE: [float(scale)] * count,
            Column.SYNTHETIC: [1] * count,
            **columns,
        }
        if self.class_labels is not None:
            table[Column.CLASS_LABEL] = self.class_labels.numpy()
        return {str(name): values for name, values in table.items()}


def spread_classes(num_classes: int) -> list[int]:
    """Minority classes from the most common to the rarest, each half as far from the rarest as the one before.

    Images change most from class to class at the rare end.

    Example:
        >>> from monai_minority.samples import spread_classes
        >>> spread_classes(32), spread_classes(5)
        ([0, 16, 24, 28, 30, 31], [0, 2, 3, 4])
    """
    distances = [num_classes - 1]
    while distances[-1] > 0:
        distances.append(distances[-1] // 2)
    return [num_classes - 1 - distance for distance in distances]


def spread_labels(store: ImageStore, count: int) -> list[int]:
    """``count`` class labels in ascending order, with the same shares as in the training images.

    Raises:
        ValueError: the store has no class labels.

    Example:
        >>> import tempfile, numpy as np
        >>> from monai_minority.data import ImageStore
        >>> from monai_minority.samples import spread_labels
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     pixels, table = np.zeros((8, 1, 2, 2), np.uint8), {"split": "train", "class_label": [0] * 6 + [1] * 2}
        ...     store = ImageStore.create(f"{folder}/store", pixels, table, (0, 255))
        ...     spread_labels(store, count=4)
        [0, 0, 0, 1]
    """
    if Column.CLASS_LABEL not in store.table:
        raise ValueError(f"{store.path} has no column {Column.CLASS_LABEL}; run the stage label first (label.yaml)")
    labels = np.sort(store.subset(split=Split.TRAIN.value).table[Column.CLASS_LABEL].to_numpy())
    return labels[evenly(len(labels), count)].tolist()
