"""Whether generated images help a classifier to recognise the rare group in held-out real images."""

import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from torch import Tensor

from monai_minority.evaluation.finished_trainings import FinishedTrainings, TrainingResult
from monai_minority.evaluation.intervals import (
    FEWEST,
    UNKNOWN_INTERVAL,
    Interval,
    Statistic,
    fewest_clusters,
    percentile_interval,
    resample_counts,
)
from monai_minority.evaluation.rare_classifier import Predict, RareClassifier
from monai_minority.evaluation.training_arms import Arm, ArmImages, LabelledImages, arms_of, mirror_and_shift
from monai_minority.evaluation.weighted_statistics import weighted_auc, weighted_balanced_accuracy, weighted_sensitivity
from monai_minority.progress import progress_bar

Fit = Callable[[Tensor, Tensor, Tensor, int, Callable[[Tensor], Tensor] | None, tuple[Tensor, Tensor] | None], Predict]
"""Function that trains a classifier, called as :class:`~monai_minority.evaluation.rare_classifier.RareClassifier`."""

SEEDS = range(10)
"""Seeds of the trainings."""

AMOUNTS = (0.25, 1.0, 5.0)
"""Generated images that are added, as multiples of the rare training images."""

GAINS = {"gain": "real", "gain_over_duplicated": "duplicated", "gain_over_augmented": "classical"}
"""Columns of gains, and the property of an :class:`~monai_minority.evaluation.training_arms.Arm` that each is over."""

SENSITIVITY = "sensitivity at"
"""Beginning of the name of the figure that findings are of."""

_BLOCK = 2**21
"""Number of weights that a statistic is given at a time."""


def augmentation_gain(
    train: LabelledImages,
    test: LabelledImages,
    synthetic: Mapping[str, Tensor],
    *,
    labels: Mapping[str, np.ndarray] | None = None,
    amounts: Sequence[float] = AMOUNTS,
    sizes: Sequence[int] | None = None,
    seeds: Sequence[int] = SEEDS,
    fit: Fit | None = None,
    specificity: float = 0.9,
    resamples: int = 1000,
    finished: str | Path | None = None,
    progress: bool = True,
) -> pd.DataFrame:
    """Train classifiers of the rare group with and without generated images, and test them on real images.

    The arms (:class:`~monai_minority.evaluation.training_arms.Arm`) are: the real images alone; with the rare drawn as
    often as the others; with classical augmentation; with the rare duplicated to the number of images that the next
    arms add; with each set of generated images; with each set and classical augmentation; and pretrained on each set
    for half of the steps. All arms train for the same number of steps from the same seeds, at each size of the rare
    training set. Trainings that are equal, such as those of two amounts that are cut to one number, are made once.

    A generated image has no label. Its target is the probability that the classifier of the real images alone predicts
    at the same size and seed, unless ``labels`` gives one. This holds for guided and unguided sets, so no set has an
    advantage from better labels. The generator has usually learned from all rare subjects, also at the smaller sizes:
    gains there are those of a generator that knows more rare subjects than the classifier.

    The seed of a training also draws its rare subjects (smaller sizes are part of larger ones) and its generated
    images. The intervals draw subjects of the test and seeds, both at once (Owen and Eckles, 2012, who show that the
    interval is then a little too wide rather than too narrow). Their percentiles are expanded for the effective number
    of clusters (Satterthwaite, 1946), since ten trainings are few.

    Args:
        train: real images for training.
        test: real images of other subjects for the test.
        synthetic: sets of generated images ``[M, C, H, W]`` by name.
        labels: probability ``[M]`` of the rare group, for the sets that have one.
        amounts: generated images that are added, as multiples of the rare training images; cut to what the smallest
            set has.
        sizes: numbers of subjects whose rare images are trained on, cut to what there is; ``None``: all.
        seeds: seeds of the trainings; each arm is trained once for each seed.
        fit: function that trains one classifier; ``None`` takes a
            :class:`~monai_minority.evaluation.rare_classifier.RareClassifier`.
        specificity: specificity at which the sensitivity is measured.
        resamples: number of bootstrap resamples; 0 leaves the 95 % intervals out.
        finished: folder that keeps the result of each training, so that a killed run goes on where it was and another
            amount, size, seed or set trains only what is new. The ``repr`` of ``fit`` must have all its settings.
            ``None`` keeps nothing.
        progress: whether to show a progress bar over the trainings.

    Returns:
        One row for each arm and figure (``AUC``, ``balanced accuracy``, ``sensitivity at … specificity``): ``arm``,
        ``generated`` (name of the set), ``rare_subjects``, ``amount``, ``figure``, ``value``, ``low`` and ``high``
        (mean over seeds), ``seed_std`` (between trainings), ``gain`` over the real images alone,
        ``gain_over_duplicated`` and ``gain_over_augmented`` (classical augmentation alone) with ``…_low`` and
        ``…_high`` (at the same size and amount, paired by test image and seed), and the numbers of images, of training
        images the mean over seeds: ``added`` is below ``amount`` times ``train_rare`` where it was cut. Balanced
        accuracy uses the threshold that is best on the real training images. Intervals are NaN below five seeds, or
        five test subjects of a group.

    Raises:
        ValueError: shapes differ, a group is empty, a subject is in both parts, labels do not fit, or an amount, a size
            or a number of resamples is out of range.
    """
    labels = labels or {}
    _check(train, test, synthetic, labels)
    _check_numbers(amounts, sizes, seeds, resamples)
    fit = fit or RareClassifier()
    images = ArmImages(train, synthetic)
    arms = arms_of(_cut(sizes, len(images.rare_subjects)), sorted(set(amounts)), synthetic)
    finished_ones = FinishedTrainings(finished, fit, images, test.images, labels)
    plan = {(arm, seed): finished_ones.key(arm, seed) for seed in seeds for arm in arms}
    weights, seed_weights = _weights(test.subjects, len(seeds), resamples)
    figures = _figures(test.rare, specificity)

    said: dict[tuple[int, int], Mapping[str, np.ndarray]] = {}  # targets of generated images by size and seed
    values: dict[str, np.ndarray] = {}  # of each training [figures, 1 + resamples]
    with progress_bar(None, "utility", len(set(plan.values())), unit="training", enabled=progress) as bar:
        for (arm, seed), key in plan.items():
            if key in values:
                continue
            result = finished_ones.read(key)
            if result is None:
                result = _trained(fit, images, test.images, arm, seed, said.get((arm.rare_subjects, seed), {}))
                finished_ones.write(key, result)
            if arm == arm.real:
                ends = np.cumsum([len(made) for made in synthetic.values()])
                parts = zip(synthetic, np.split(result.targets, ends[:-1]), strict=False)  # without sets there is one
                said[arm.rare_subjects, seed] = {**dict(parts), **labels}
            values[key] = np.stack([_in_blocks(statistic(result), weights) for statistic in figures.values()])
            bar.update()
    finished_ones.keep_only(set(plan.values()))

    known = min(len(seeds), fewest_clusters(test.subjects, test.rare)) >= FEWEST

    def columns(name: str, trainings: np.ndarray) -> dict[str, float]:
        """Mean over trainings ``[seeds, 1 + resamples]``, and its interval."""
        mean = np.einsum("sr,rs->r", trainings, seed_weights) / len(seeds)
        ends = _interval(trainings[:, 0], mean[1:], len(np.unique(test.subjects))) if known else UNKNOWN_INTERVAL
        before = "" if name == "value" else f"{name}_"
        return {name: float(mean[0]), f"{before}low": ends.low, f"{before}high": ends.high}

    by_arm = {arm: np.stack([values[plan[arm, seed]] for seed in seeds]) for arm in arms}
    rows: list[dict[str, Any]] = []
    for arm, own in by_arm.items():
        head = {"arm": arm.name, "generated": arm.generated or None, "rare_subjects": arm.rare_subjects}
        amount = arm.amount or float("nan")
        numbers = {
            "trainings": len(seeds),
            "train_rare": np.mean([train.rare[images.real_rows(arm, seed)].sum() for seed in seeds]),
            "train_others": int((~train.rare).sum()),
            "added": np.mean([images.added(arm, seed) for seed in seeds]),
            "test_rare": int(test.rare.sum()),
            "test_others": int((~test.rare).sum()),
        }
        for place, figure in enumerate(figures):
            row = head | {"amount": amount, "figure": figure} | columns("value", own[:, place])
            row["seed_std"] = own[:, place, 0].std(ddof=1) if len(seeds) > 1 else float("nan")
            for name, which in GAINS.items():
                over = by_arm.get(getattr(arm, which), np.full_like(own, np.nan))
                row |= columns(name, own[:, place] - over[:, place])
            rows.append(row | numbers)
    return pd.DataFrame(rows)


def _trained(
    fit: Fit, images: ArmImages, test: Tensor, arm: Arm, seed: int, targets: Mapping[str, np.ndarray]
) -> TrainingResult:
    """Train an arm once and predict with it."""
    given = images.of(arm, seed, targets)
    transform = mirror_and_shift if arm.augmented else None
    predict = fit(given.images, given.targets, given.weights, seed, transform, given.before)
    rows = images.real_rows(arm, seed)
    threshold = _best_threshold(predict(images.train.images[rows]), images.train.rare[rows])
    unlabelled = images.synthetic.values() if arm == arm.real else []
    said = [predict(made.float()) for made in unlabelled]
    return TrainingResult(predict(test), np.array(threshold), np.concatenate([np.empty(0), *said]))


def _figures(rare: np.ndarray, specificity: float) -> dict[str, Callable[[TrainingResult], Statistic]]:
    """By name, functions from a training to a statistic of weighted test images."""
    return {
        "AUC": lambda result: weighted_auc(result.test, rare),
        "balanced accuracy": lambda result: weighted_balanced_accuracy(result.test, rare, float(result.threshold)),
        f"{SENSITIVITY} {specificity:g} specificity": lambda result: weighted_sensitivity(
            result.test, rare, specificity
        ),
    }


def _in_blocks(statistic: Statistic, weights: np.ndarray) -> np.ndarray:
    return np.concatenate([statistic(block) for block in np.array_split(weights, 1 + weights.size // _BLOCK)])


def _weights(subjects: np.ndarray, seeds: int, resamples: int) -> tuple[np.ndarray, np.ndarray]:
    """How often each test image ``[1 + R, T]`` and each seed ``[1 + R, seeds]`` is drawn, in the first row once."""
    parts = [subjects, np.arange(seeds)]
    once = [np.ones((1, len(part))) for part in parts]
    drawn = resample_counts(parts, resamples) if resamples else [one[:0] for one in once]
    of_images, of_seeds = (np.concatenate(both) for both in zip(once, drawn, strict=True))
    return of_images, of_seeds


def _interval(each: np.ndarray, resampled: np.ndarray, subjects: int) -> Interval:
    """Interval of a mean over trainings ``each`` ``[seeds]``, from resamples of subjects and seeds.

    Its variance has a part from the seeds and one from the subjects, each estimated from as many clusters. Welch's and
    Satterthwaite's degrees of freedom of their sum give the number of clusters that expands the percentiles.
    """
    resampled = resampled[~np.isnan(resampled)]
    total = float(resampled.var()) if len(resampled) else 0.0
    if not total > 0:
        return UNKNOWN_INTERVAL
    of_seeds = min(1.0, float(each.var(ddof=1)) / len(each) / total)
    count = 1 + 1 / (of_seeds**2 / (len(each) - 1) + (1 - of_seeds) ** 2 / (subjects - 1))
    return percentile_interval(resampled, count=count)


def _cut(sizes: Sequence[int] | None, everyone: int) -> list[int]:
    """The sizes in order, each at most the number of rare subjects."""
    larger = sorted(size for size in sizes or [] if size > everyone)
    if larger:
        warnings.warn(
            f"sizes must be at most {everyone}, the training subjects with a rare image; {larger} are cut to it",
            stacklevel=3,
        )
    return sorted({min(size, everyone) for size in sizes or [everyone]})


def _best_threshold(values: np.ndarray, rare: np.ndarray) -> float:
    """The threshold with the highest balanced accuracy, where values at or above it count as rare."""
    order = np.argsort(-values, kind="stable")
    gain = np.where(rare[order], 1 / rare.sum(), -1 / (~rare).sum()).cumsum()
    ends = np.r_[np.diff(values[order]) < 0, True]  # equal values stay together
    return float(values[order][np.argmax(np.where(ends, gain, -np.inf))])


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


def _check_numbers(amounts: Sequence[float], sizes: Sequence[int] | None, seeds: Sequence[int], resamples: int) -> None:
    if not all(0 < amount < float("inf") for amount in amounts):
        raise ValueError(f"amounts must be multiples of the rare images above 0, got {list(amounts)}; leave 0 out")
    if not all(isinstance(size, int) and size > 0 for size in sizes or []):
        raise ValueError(f"sizes must be whole numbers of subjects from 1 on, got {list(sizes or [])}; null takes all")
    if not len(seeds):
        raise ValueError("seeds must have one for each training, got none; give at least one")
    if resamples < 0:
        raise ValueError(f"resamples must be at least 0, got {resamples}; 0 leaves the intervals out")
