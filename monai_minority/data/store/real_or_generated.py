"""Real and generated images together, to train a discriminator."""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Self

import numpy as np
import pandas as pd
import torch

from monai_minority.data.store.image_store import ImageStore, evenly
from monai_minority.keys import Column, Split

REAL = "real"
"""Column with 1 for a real image and 0 for a generated one."""


class RealOrGenerated:
    """Two stores read as one, with the column ``real``. No pixels are copied.

    Each split has as many real images as generated ones: the smaller set is repeated. Some generated images are held
    out for validation. They are evenly spaced in the store, because guided images are stored class by class and every
    class must be in both parts.

    Args:
        real: real images with the column ``split``. The training images and those of ``validation_split`` are used.
        generated: generated images.
        validation_split: split of the real store that is used for validation.
        validation_share: share of the generated images that is held out.

    Raises:
        ValueError: the images differ in shape, a split has no real image, or there are fewer than two generated
            images.

    Example:
        >>> import tempfile, numpy as np
        >>> from monai_minority.data import ImageStore, RealOrGenerated
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     pixels = np.zeros((4, 1, 2, 2), np.uint8)
        ...     split = {"split": ["train", "train", "train", "validation"]}
        ...     real = ImageStore.create(f"{folder}/real", pixels, split, (0, 255))
        ...     generated = ImageStore.create(f"{folder}/generated", pixels[:3], {"seed": [0, 1, 2]}, (0, 255))
        ...     both = RealOrGenerated(real, generated)
        >>> both.subset("train").table["real"].tolist(), both.subset("validation").table["real"].tolist()
        ([1, 1, 1, 0, 0, 0], [1, 0])
    """

    def __init__(
        self,
        real: ImageStore,
        generated: ImageStore,
        validation_split: str = Split.VALIDATION.value,
        validation_share: float = 0.1,
    ) -> None:
        if real.image_shape != generated.image_shape:
            raise ValueError(
                f"generated images must have the shape of the real ones {real.image_shape}, got {generated.image_shape}"
            )
        held = max(1, round(validation_share * len(generated)))
        if held >= len(generated):
            raise ValueError(f"there must be at least 2 generated images, got {len(generated)}; sample more")
        self.stores = (real, generated)
        split = real.table[Column.SPLIT].to_numpy()
        apart = evenly(len(generated), held)
        parts = []
        for name, made in (
            (Split.TRAIN.value, np.setdiff1d(np.arange(len(generated)), apart)),
            (validation_split, apart),
        ):
            known = np.flatnonzero(split == name)
            if not len(known):
                raise ValueError(f"{real.path} has no image of split {name!r}; it has {sorted(set(split))}")
            count = max(len(known), len(made))
            for value, rows in ((1, np.resize(known, count)), (0, np.resize(made, count))):
                parts.append(pd.DataFrame({"row": rows, REAL: value, Column.SPLIT.value: name}))
        table = pd.concat(parts, ignore_index=True)
        if all(Column.CLASS_LABEL in store.table for store in self.stores):
            labels = [store.table[Column.CLASS_LABEL].to_numpy() for store in self.stores]
            is_real = table[REAL].to_numpy() == 1
            column = np.empty(len(table), np.int64)
            for chosen, values in ((is_real, labels[0]), (~is_real, labels[1])):
                column[chosen] = values[table["row"].to_numpy()[chosen]]
            table[Column.CLASS_LABEL.value] = column
        self.table = table

    @property
    def path(self) -> Path:
        """Folder of the real store, for error messages."""
        return self.stores[0].path

    @property
    def rows(self) -> np.ndarray:
        """int64 ``[len(self)]``: the row of each image in the table of both stores."""
        return self.table.index.to_numpy()

    @property
    def content_hash(self) -> str:
        """SHA-256 of the contents of both stores and of the order in which images are read."""
        digest = hashlib.sha256("".join(store.content_hash for store in self.stores).encode())
        digest.update(self.table[["row", REAL]].to_numpy(dtype="<i8").tobytes())
        return digest.hexdigest()

    def __len__(self) -> int:
        return len(self.table)

    def subset(self, split: str) -> Self:
        """The images of one split."""
        chosen = self.table[self.table[Column.SPLIT.value] == split]
        if chosen.empty:
            raise ValueError(f"split must be one of {sorted(set(self.table[Column.SPLIT.value]))}, got {split!r}")
        part = object.__new__(type(self))
        part.stores, part.table = self.stores, chosen
        return part

    def batch(self, indices: Sequence[int] | np.ndarray) -> torch.Tensor:
        """The images of ``indices``, in that order, float32 ``[B, C, H, W]`` in [-1, 1]."""
        wanted = self.table.iloc[np.asarray(indices)]
        is_real = wanted[REAL].to_numpy() == 1
        images = torch.empty(len(wanted), *self.stores[0].image_shape)
        for store, chosen in zip(self.stores, (is_real, ~is_real), strict=True):
            if chosen.any():
                images[torch.from_numpy(chosen)] = store.batch(wanted["row"].to_numpy()[chosen])
        return images
