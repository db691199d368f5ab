"""Whether generated images help a classifier to recognise the rare group in held-out real images."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from monai_minority.evaluation.intervals import Interval, Statistic, bootstrap
from monai_minority.evaluation.rare_classifier import Predict, RareClassifier
from monai_minority.evaluation.weighted_statistics import (
    weighted_auc,
    weighted_balanced_accuracy,
    weighted_sensitivity,
)
from monai_minority.progress import progress_bar

Fit = Callable[[Tensor, Tensor, Tensor, int, Callable[[Tensor], Tensor] | None], Predict]
"""Function that trains a classifier, called as :class:`~monai_minority.evaluation.rare_classifier.RareClassifier`."""

SEEDS = range(5)
"""Seeds of the trainings."""

BASELINE = "real"
OVERSAMPLED = "real, rare oversampled"
AUGMENTED = "real, augmented"


class LabelledImages(NamedTuple):
    """Real images, and whether each is rare."""

    images: Tensor
    """``[N, C, H, W]`` in [-1, 1]."""
    rare: np.ndarray
    """Whether each image is rare ``[N]``, bool."""
    subjects: np.ndarray
    """Subject of each image ``[N]``; the bootstrap draws whole subjects."""


class _Arm(NamedTuple):
    images: Tensor
    targets: Tensor
    weights: Tensor
    transform: Callable[[Tensor], Tensor] | None = None


def augmentation_gain(
    train: LabelledImages,
    test: LabelledImages,
    synthetic: Mapping[str, Tensor],
    *,
    labels: Mapping[str, np.ndarray] | None = None,
    seeds: Sequence[int] = SEEDS,
    fit: Fit | None = None,
    specificity: float = 0.9,
    resamples: int = 1000,
    level: float = 0.95,
    progress: bool = True,
) -> pd.DataFrame:
    """Train a classifier of the rare group with and without generated images, and test it on real images.

    There is one arm with the real images (the baseline), one in which rare images are drawn as often as the others, one
    with classical augmentation (:func:`mirror_and_shift`), and one for each set of generated images, which are added to
    the real ones. All arms train for the same number of steps from the same seeds. A generated image has no label. Its
    target is the probability that the baseline classifier of the same seed predicts, unless ``labels`` gives one. This
    holds for guided and unguided sets, so no set has an advantage from better labels.

    Args:
        train: real images for training.
        test: real images of other subjects for the test.
        synthetic: sets of generated images ``[M, C, H, W]`` by name.
        labels: probability ``[M]`` of the rare group, for the sets that have one.
        seeds: seeds of the trainings; each arm is trained once for each seed.
        fit: function that trains one classifier; ``None`` takes a
            :class:`~monai_minority.evaluation.rare_classifier.RareClassifier`.
        specificity: specificity at which the sensitivity is measured.
        resamples: number of bootstrap resamples of test subjects, which average the classifiers of all seeds.
        level: confidence level of the intervals, in (0, 1).
        progress: whether to show a progress bar over the trainings.

    Returns:
        One row for each arm and figure (``AUC``, ``balanced accuracy``, ``sensitivity at … specificity``): ``arm``,
        ``figure``, ``value``, ``low`` and ``high`` (mean over seeds; bootstrap over subjects), ``seed_std`` (between
        trainings), ``gain`` over the baseline with ``gain_low`` and ``gain_high`` (paired by test image and seed), and
        the numbers of images. Balanced accuracy uses the threshold that is best on the real training images.

    Raises:
        ValueError: shapes differ, a group is empty, a subject is in both parts, or labels do not fit.

    Example:
        >>> import numpy as np
        >>> import torch
        >>> from monai_minority.evaluation.utility import LabelledImages, augmentation_gain
        >>> def bright(images, targets, weights, seed, transform):  # in place of a network
        ...     return lambda x: x.mean((1, 2, 3)).sigmoid().double().numpy()
        >>> images, rare = torch.linspace(-1, 1, 8).view(8, 1, 1, 1).expand(8, 1, 16, 16), np.arange(8) >= 4
        >>> train, test = (LabelledImages(images, rare, first + np.arange(8)) for first in (0, 8))
        >>> made = {"guided": torch.ones(4, 1, 16, 16)}
        >>> table = augmentation_gain(train, test, made, seeds=[0], fit=bright, resamples=10, progress=False)
        >>> table.loc[table["figure"] == "AUC", ["arm", "value", "gain"]].values.tolist()[-1]
        ['real and guided', 1.0, 0.0]
    """
    _check(train, test, synthetic, labels or {})
    fit = fit or RareClassifier()
    real = torch.tensor(train.rare).float()
    even = torch.ones(len(real))
    balanced = torch.where(real > 0, (1 - real).sum() / real.sum(), 1.0)

    def arms(baseline: Predict) -> Iterator[tuple[str, _Arm]]:
        yield OVERSAMPLED, _Arm(train.images, real, balanced)
        yield AUGMENTED, _Arm(train.images, real, even, mirror_and_shift)
        for name, images in synthetic.items():
            known = (labels or {}).get(name)
            targets = torch.as_tensor(baseline(images) if known is None else np.asarray(known)).float()
            both = torch.cat([train.images, images.float()])
            yield f"real and {name}", _Arm(both, torch.cat([real, targets]), torch.ones(len(both)))

    predictions: dict[str, list[tuple[np.ndarray, np.ndarray]]] = {}
    with progress_bar(None, "utility", len(seeds) * (3 + len(synthetic)), unit="training", enabled=progress) as bar:

        def judge(name: str, predict: Predict) -> Predict:
            predictions.setdefault(name, []).append((predict(test.images), predict(train.images)))
            bar.update()
            return predict

        for seed in seeds:
            baseline = judge(BASELINE, fit(train.images, real, even, seed, None))
            for name, arm in arms(baseline):
                judge(name, fit(arm.images, arm.targets, arm.weights, seed, arm.transform))

    rows: list[dict[str, Any]] = []
    for name, made in predictions.items():
        for figure, statistic in _statistics(test.rare, train.rare, specificity).items():
            own = [statistic(*pair) for pair in made]
            against = [statistic(*pair) for pair in predictions[BASELINE]]

            def interval(of: Statistic) -> Interval:
                return bootstrap(of, test.subjects, resamples, level, groups=test.rare)  # one seed: the arms are paired

            each = np.array([_value(one, len(test.rare)) for one in own])
            base = np.array([_value(one, len(test.rare)) for one in against])
            gain = interval(_difference(_mean(own), _mean(against)))
            span = interval(_mean(own))
            rows.append(
                {
                    "arm": name,
                    "figure": figure,
                    "value": each.mean(),
                    "low": span.low,
                    "high": span.high,
                    "seed_std": each.std(ddof=1) if len(each) > 1 else float("nan"),
                    "gain": (each - base).mean(),
                    "gain_low": gain.low,
                    "gain_high": gain.high,
                    "trainings": len(each),
                    "train_rare": int(train.rare.sum()),
                    "train_others": int((~train.rare).sum()),
                    "test_rare": int(test.rare.sum()),
                    "test_others": int((~test.rare).sum()),
                }
            )
    return pd.DataFrame(rows)


def mirror_and_shift(images: Tensor, shift: float = 0.06, brightness: float = 0.1) -> Tensor:
    """Randomly mirror images left and right, move them, and scale their intensities by ``1 +- brightness``.

    Args:
        images: ``[B, C, H, W]`` in [-1, 1], with the background at -1.
        shift: largest move, as a share of height and width.
        brightness: largest relative change of the intensity above the background.

    Example:
        >>> import torch
        >>> from monai_minority.evaluation.utility import mirror_and_shift
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


def _statistics(test_rare: np.ndarray, train_rare: np.ndarray, specificity: float):
    """By name, functions from predictions (for test and training images) to a statistic of weighted test images."""

    def accuracy(of_test: np.ndarray, of_train: np.ndarray) -> Statistic:
        return weighted_balanced_accuracy(of_test, test_rare, _best_threshold(of_train, train_rare))

    return {
        "AUC": lambda of_test, _: weighted_auc(of_test, test_rare),
        "balanced accuracy": accuracy,
        f"sensitivity at {specificity:g} specificity": lambda of_test, _: weighted_sensitivity(
            of_test, test_rare, specificity
        ),
    }


def _best_threshold(values: np.ndarray, rare: np.ndarray) -> float:
    """The threshold with the highest balanced accuracy, where values at or above it count as rare."""
    order = np.argsort(-values, kind="stable")
    gain = np.where(rare[order], 1 / rare.sum(), -1 / (~rare).sum()).cumsum()
    ends = np.r_[np.diff(values[order]) < 0, True]  # equal values stay together
    return float(values[order][np.argmax(np.where(ends, gain, -np.inf))])


def _mean(statistics: Sequence[Statistic]) -> Statistic:
    return lambda weights: np.mean([statistic(weights) for statistic in statistics], axis=0)


def _difference(a: Statistic, b: Statistic) -> Statistic:
    return lambda weights: a(weights) - b(weights)


def _value(statistic: Statistic, count: int) -> float:
    return float(statistic(np.ones((1, count)))[0])


def _check(
    train: LabelledImages, test: LabelledImages, synthetic: Mapping[str, Tensor], labels: Mapping[str, np.ndarray]
) -> None:
    for name, part in (("train", train), ("test", test)):
        if not len(part.images) == len(part.rare) == len(part.subjects):
            raise ValueError(
                f"{name} must have as many images as labels and subjects, got {len(part.images)}, {len(part.rare)} "
                f"and {len(part.subjects)}"
            )
        if part.rare.all() or not part.rare.any():
            raise ValueError(f"{name} must have rare images and others, got {int(part.rare.sum())} of {len(part.rare)}")
    shared = np.intersect1d(train.subjects, test.subjects)
    if len(shared):
        raise ValueError(f"train and test must not share subjects, {len(shared)} are in both; split by subject")
    for name, images in {"test": test.images, **synthetic}.items():
        if images.shape[1:] != train.images.shape[1:]:
            raise ValueError(
                f"{name} must have images of shape {list(train.images.shape[1:])}, got {list(images.shape[1:])}"
            )
    for name, values in labels.items():
        if name not in synthetic or len(values) != len(synthetic[name]):
            raise ValueError(f"labels[{name!r}] must have one probability for each image of a synthetic set")
