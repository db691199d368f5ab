"""Which images to generate: a seed and a target each."""

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
    """Seeds and target classes of the images of one sample set, in batches for a sampling engine.

    Every class gets the same seeds, so that images of different classes differ by the guidance alone.

    Args:
        images_per_class: number of images of each class.
        classes: minority classes to aim at; empty for unguided sampling.
        first_seed: of each class; its images have the seeds ``first_seed …``.
        class_labels: labels of the data set, which the images of each class take in turn; for networks that are
            conditional on them.

    Raises:
        ValueError: ``images_per_class`` is not positive, a class is negative, or there are no labels.
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
                f"classes must be minority classes 0 … L-1, got {list(classes)}; leave empty for no guidance"
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
        """The rows of the sample store: identity, seed, target and the mark that the images are synthetic."""
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


def spread_classes(num_classes: int, count: int = 5) -> list[int]:
    """At most ``count`` minority classes, evenly from the most common to the rarest.

    >>> spread_classes(32), spread_classes(3)
    ([0, 8, 16, 23, 31], [0, 1, 2])
    """
    return sorted({int(row) for row in evenly(num_classes, count)})


def spread_labels(store: ImageStore, count: int) -> list[int]:
    """``count`` class labels in ascending order, each as often as its share among the training images.

    Raises:
        ValueError: the store has no class labels.
    """
    if Column.CLASS_LABEL not in store.table:
        raise ValueError(f"{store.path} has no column {Column.CLASS_LABEL}; run the stage label first (label.yaml)")
    labels = np.sort(store.subset(split=Split.TRAIN.value).table[Column.CLASS_LABEL].to_numpy())
    return labels[evenly(len(labels), count)].tolist()
