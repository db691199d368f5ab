"""Results of trainings, kept so that none is made twice."""

import hashlib
from collections.abc import Collection, Mapping
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from monai_minority.evaluation.training_arms import Arm, ArmImages
from monai_minority.files import whole_file
from monai_minority.version import __version__


class TrainingResult(NamedTuple):
    """What is kept of a training."""

    test: np.ndarray
    """Probability of the rare group for each test image ``[T]``."""
    threshold: np.ndarray
    """Threshold with the best balanced accuracy on the real training images."""
    targets: np.ndarray
    """Of an arm of real images alone: probabilities of the generated images of all sets, in their order."""


class FinishedTrainings:
    """A folder with a small file for each training, named by a hash of all that its result depends on.

    Args:
        folder: the folder; ``None`` keeps nothing.
        fit: what trains; its ``repr`` has its settings.
        images: what arms are made of.
        test: images that are predicted ``[T, C, H, W]``.
        labels: known probabilities of the rare group by set of generated images.

    Example:
        >>> import numpy as np, tempfile, torch
        >>> from monai_minority.evaluation.finished_trainings import FinishedTrainings, TrainingResult
        >>> from monai_minority.evaluation.training_arms import Arm, ArmImages, LabelledImages
        >>> images = torch.zeros(2, 1, 4, 4)
        >>> arms = ArmImages(LabelledImages(images, np.array([False, True]), np.arange(2)), {})
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     finished = FinishedTrainings(folder, "fit", arms, images, {})
        ...     key = finished.key(Arm(1), seed=0)
        ...     finished.write(key, TrainingResult(np.array([0.1, 0.9]), np.array(0.5), np.array([])))
        ...     finished.read(key).test
        array([0.1, 0.9])
    """

    def __init__(
        self,
        folder: str | Path | None,
        fit: object,
        images: ArmImages,
        test: torch.Tensor,
        labels: Mapping[str, np.ndarray],
    ) -> None:
        self.folder = None if folder is None else Path(folder)
        self.images = images
        self._common = _digest(__version__, repr(fit), *images.train, test)
        self._sets = {name: _digest(name, made, labels.get(name)) for name, made in images.synthetic.items()}

    def key(self, arm: Arm, seed: int) -> str:
        """Name of a training. Equal ones have one name: amounts count as the number of images that are added."""
        sets = self._sets.values() if arm == arm.real else [self._sets.get(arm.generated)]
        return _digest(self._common, *sets, replace(arm, amount=self.images.added(arm, seed)), seed)

    def read(self, key: str) -> TrainingResult | None:
        """The result of a training; ``None`` where it is not kept."""
        if self.folder is None or not (self.folder / f"{key}.npz").is_file():
            return None
        with np.load(self.folder / f"{key}.npz") as kept:
            return TrainingResult(**{name: kept[name] for name in TrainingResult._fields})

    def write(self, key: str, result: TrainingResult) -> None:
        """Keep the result of a training."""
        if self.folder is not None:
            with whole_file(self.folder / f"{key}.npz") as partial:
                np.savez(partial, **result._asdict())

    def keep_only(self, keys: Collection[str]) -> None:
        """Delete the results of all other trainings."""
        if self.folder is not None:
            for path in self.folder.glob("*.npz"):
                if path.stem not in keys:
                    path.unlink()


def _digest(*parts: object) -> str:
    """SHA-256 of arrays, by type, shape and bytes, and of the ``repr`` of all else."""
    digest = hashlib.sha256()
    for part in parts:
        array = part.numpy(force=True) if isinstance(part, torch.Tensor) else part
        if isinstance(array, np.ndarray) and array.dtype != object:
            digest.update(f"{array.dtype} {array.shape}".encode() + np.ascontiguousarray(array).tobytes())
        else:
            digest.update(repr(array.tolist() if isinstance(array, np.ndarray) else array).encode())
    return digest.hexdigest()
