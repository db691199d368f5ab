"""Ways to train a classifier of the rare group, with generated images and without, and what each is given."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch
from torch import Tensor


class LabelledImages(NamedTuple):
    """Real images, and whether each is rare."""

    images: Tensor
    """``[N, C, H, W]`` in [-1, 1]."""
    rare: np.ndarray
    """Whether each image is rare ``[N]``, bool."""
    subjects: np.ndarray
    """Subject of each image ``[N]``; the bootstrap draws whole subjects."""


@dataclass(frozen=True)
class Arm:
    """A way to train: the real images, and what is done to them or added.

    Attributes:
        rare_subjects: number of subjects whose rare images are trained on. The other real images are always there.
        generated: name of the set of generated images; empty where the rare images themselves are repeated.
        amount: number of images added, as a multiple of the rare images; 0 adds none.
        oversampled: whether rare images are drawn as often as the others.
        augmented: whether images are changed at random (:func:`mirror_and_shift`).
        pretrained: whether the generated images are not added but learned from alone, in the first half of the steps.

    Example:
        >>> from monai_minority.evaluation.training_arms import Arm
        >>> Arm(20, "guided", amount=1, augmented=True).name
        'real and guided, augmented'
    """

    rare_subjects: int
    generated: str = ""
    amount: float = 0
    oversampled: bool = False
    augmented: bool = False
    pretrained: bool = False

    @property
    def name(self) -> str:
        """What it does, without the numbers of subjects and images."""
        if self.generated:
            name = f"{'pretrained on' if self.pretrained else 'real and'} {self.generated}"
        else:
            name = "real" + (", rare oversampled" if self.oversampled else ", rare duplicated" if self.amount else "")
        return name + (", augmented" if self.augmented else "")

    @property
    def real(self) -> "Arm":
        """The arm of the same rare subjects with the real images alone."""
        return Arm(self.rare_subjects)

    @property
    def duplicated(self) -> "Arm | None":
        """The arm that repeats its rare images as often as this one adds images; ``None`` if it adds none."""
        return Arm(self.rare_subjects, amount=self.amount) if self.amount else None

    @property
    def classical(self) -> "Arm":
        """The arm that has classical augmentation alone."""
        return Arm(self.rare_subjects, augmented=True)


def arms_of(rare_subjects: Iterable[int], amounts: Iterable[float], sets: Iterable[str]) -> list[Arm]:
    """Every arm of some sizes of the rare training set, amounts of added images and sets of generated images.

    The arm of real images alone is the first of its size, because it labels the generated images of the others.

    >>> [arm.name for arm in arms_of([20], [1], ["guided"])][:4]
    ['real', 'real, rare oversampled', 'real, augmented', 'real, rare duplicated']
    >>> [arm.name for arm in arms_of([20], [1], ["guided"])][4:]
    ['real and guided', 'real and guided, augmented', 'pretrained on guided']
    """
    arms, sets, amounts = [], list(sets), list(amounts)
    for size in rare_subjects:
        arms += [Arm(size), Arm(size, oversampled=True), Arm(size, augmented=True)]
        for amount in amounts if sets else []:
            arms.append(Arm(size, amount=amount))
            for name in sets:
                arms += [
                    Arm(size, name, amount),
                    Arm(size, name, amount, augmented=True),
                    Arm(size, name, amount, pretrained=True),
                ]
    return arms


class TrainingImages(NamedTuple):
    """What a classifier is trained on."""

    images: Tensor
    """``[N, C, H, W]``."""
    targets: Tensor
    """Probability of the rare group ``[N]``."""
    weights: Tensor
    """Relative frequency of each image in the draws ``[N]``."""
    before: tuple[Tensor, Tensor] | None
    """Images and targets of the first half of the steps."""


@dataclass(frozen=True)
class ArmImages:
    """The images that arms are made of.

    Attributes:
        train: real images for training.
        synthetic: generated images ``[M, C, H, W]`` by set. All sets give as many as the smallest can, so that none
            helps by its number.
    """

    train: LabelledImages
    synthetic: Mapping[str, Tensor]

    @cached_property
    def rare_subjects(self) -> np.ndarray:
        """Subjects with a rare training image, by row: pseudonyms differ from run to run."""
        return pd.unique(self.train.subjects[self.train.rare])

    def real_rows(self, arm: Arm, seed: int) -> np.ndarray:
        """Rows of the real images of an arm ``[n]``: of the first of its rare subjects in an order that the seed
        draws, so that smaller sizes are part of larger ones, and all that are not rare."""
        drawn = np.random.default_rng(seed).permutation(self.rare_subjects)[: arm.rare_subjects]
        return np.flatnonzero(~self.train.rare | np.isin(self.train.subjects, drawn))

    def added(self, arm: Arm, seed: int) -> int:
        """Number of images that an arm adds, which is at most what the smallest set has."""
        if not arm.amount:
            return 0
        rare = int(self.train.rare[self.real_rows(arm, seed)].sum())
        return min(max(1, round(arm.amount * rare)), *map(len, self.synthetic.values()))

    def of(self, arm: Arm, seed: int, targets: Mapping[str, np.ndarray]) -> TrainingImages:
        """What an arm is trained on.

        Args:
            arm: the arm.
            seed: seed of the draws of rare subjects and of generated images.
            targets: probability of the rare group for each image of the sets.
        """
        rows, count = self.real_rows(arm, seed), self.added(arm, seed)
        images, rare = self.train.images[rows], torch.tensor(self.train.rare[rows]).float()
        weights = torch.ones(len(rows))
        if arm.oversampled:
            weights = torch.where(rare > 0, (1 - rare).sum() / rare.sum(), 1.0)
        if not arm.generated:
            repeated = torch.where(rare > 0, 1 + count / rare.sum(), 1.0)  # the same draws as from repeated images
            return TrainingImages(images, rare, weights * repeated, None)
        made = self.synthetic[arm.generated]
        chosen = np.sort(np.random.default_rng(seed).permutation(len(made))[:count])
        new, said = made[chosen].float(), torch.as_tensor(targets[arm.generated][chosen]).float()
        if arm.pretrained:
            return TrainingImages(images, rare, weights, (new, said))
        return TrainingImages(torch.cat([images, new]), torch.cat([rare, said]), torch.ones(len(rows) + count), None)


def mirror_and_shift(images: Tensor, shift: float = 0.06, brightness: float = 0.1) -> Tensor:
    """Randomly mirror images left and right, move them, and scale their intensities by ``1 +- brightness``.

    Args:
        images: ``[B, C, H, W]`` in [-1, 1], with the background at -1.
        shift: largest move, as a share of height and width.
        brightness: largest relative change of the intensity above the background.

    Example:
        >>> import torch
        >>> from monai_minority.evaluation.training_arms import mirror_and_shift
        >>> changed = mirror_and_shift(torch.full((2, 1, 8, 8), -1.0))
        >>> changed.unique().tolist()  # the background stays
        [-1.0]
    """
    count = len(images)
    theta = torch.zeros(count, 2, 3)
    theta[:, 0, 0] = torch.where(torch.rand(count) < 0.5, -1.0, 1.0)
    theta[:, 1, 1] = 1
    theta[:, :, 2] = (torch.rand(count, 2) * 2 - 1) * 2 * shift
    grid = torch.nn.functional.affine_grid(theta, list(images.shape), align_corners=False).to(images)
    moved = torch.nn.functional.grid_sample(images + 1, grid, padding_mode="zeros", align_corners=False)
    gain = 1 + (torch.rand(count, 1, 1, 1) * 2 - 1).to(images) * brightness
    return (moved * gain - 1).clamp(-1, 1)
