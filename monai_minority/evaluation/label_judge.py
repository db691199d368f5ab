"""A judge of the rare group that is trained on real images alone, and what it may be trusted with."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from zlib import crc32

import numpy as np
import pandas as pd
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedGroupKFold
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from monai_minority.evaluation.agreement import group_auc

FOLDS = 5
LEAST_SUBJECTS = 5
"""Subjects of the rare group, and of the others, without whom no judge is trained."""

STRENGTHS = (1e-4, 1e-3, 1e-2, 1e-1)
"""Inverse strengths of the penalty that are tried; features are many and subjects few."""


@dataclass(frozen=True)
class LabelJudge:
    """Logistic regressions on standardised features, one a fold of the subjects.

    Attributes:
        space: the feature space, that of the highest cross-fitted AUC.
        strength: inverse strength of the penalty, chosen with it.
        auc: the highest cross-fitted AUC, of images whose subject the model of their fold was not fitted to. Being
            the highest of several it is a little too high; measure the AUC on images never trained on as well.
        logits: calibrated logit of each training image ``[N]`` by the model that was not fitted to its subject.
        models: one a fold.
        slope: of the calibration.
        offset: of the calibration.
    """

    space: str
    strength: float
    auc: float
    logits: np.ndarray
    models: Sequence[Pipeline]
    slope: float
    offset: float

    def __call__(self, features: np.ndarray, clusters: np.ndarray) -> np.ndarray:
        """Calibrated logits of images that no model was fitted to.

        Each image is judged by one model, as the training images are, whose percentiles it is held against; the mean
        of the models would vary less than they do. Which one depends on the subject or seed alone.

        Args:
            features: ``[Q, D]`` in the judge's ``space``.
            clusters: subject or seed of each ``[Q]``.

        Returns:
            float64 ``[Q]``: the logit of the probability of the rare group, at its frequency in training.
        """
        names, codes = np.unique(np.asarray(clusters).astype(str), return_inverse=True)
        turns = np.array([crc32(name.encode()) % len(self.models) for name in names])[codes]
        logits = np.empty(len(features))
        for turn, model in enumerate(self.models):
            if (turns == turn).any():
                logits[turns == turn] = model.decision_function(features[turns == turn])
        return self.slope * logits + self.offset


def fit_label_judge(
    spaces: Mapping[str, np.ndarray], rare: np.ndarray, subjects: np.ndarray, *, folds: int = FOLDS, seed: int = 0
) -> LabelJudge:
    """Train a judge of the rare group, cross-fitted by subject.

    The feature space and the penalty are those of the highest AUC on cross-fitted training images, so that what it is
    finally judged on has no part in the choice. The cross-fitted logits are calibrated by Platt's method (1999). The
    judge sees texture too where its space does: hold unguided samples against it before trusting it on guided ones.

    Args:
        spaces: features of the training images ``[N, D]`` by the name of their space.
        rare: whether each is of the rare group ``[N]``, bool.
        subjects: subject of each ``[N]``.
        folds: at most so many; fewer where a group has fewer subjects.
        seed: of the folds.

    Returns:
        The judge; the same for the same arguments.

    Raises:
        ValueError: there is no space, or a group has fewer than :data:`LEAST_SUBJECTS` subjects.

    >>> rng = np.random.default_rng(0)
    >>> rare = np.arange(60) % 3 == 0
    >>> judge = fit_label_judge({"plane": rng.normal(size=(60, 2)) + 3 * rare[:, None]}, rare, np.arange(60))
    >>> judge.auc > 0.95, judge(np.array([[3.0, 3.0], [0.0, 0.0]]), np.arange(2)) > 0
    (True, array([ True, False]))
    """
    rare, subjects = np.asarray(rare, bool), np.asarray(subjects)
    counts = [len(np.unique(subjects[group])) for group in (rare, ~rare)]
    if not spaces or min(counts) < LEAST_SUBJECTS:
        raise ValueError(
            f"spaces must hold features and subjects at least {LEAST_SUBJECTS} people of the rare group and of the "
            f"others, got {len(spaces)} spaces, {counts[0]} and {counts[1]} people; label more of the training images"
        )
    splitter = StratifiedGroupKFold(min(folds, *counts), shuffle=True, random_state=seed)
    people = pd.factorize(subjects)[0]  # by row: folds must not depend on pseudonyms, which differ from run to run
    parts = [part for part in splitter.split(rare, rare, people) if 0 < rare[part[0]].sum() < len(part[0])]
    best: tuple[float, str, float, np.ndarray, list[Pipeline]] | None = None
    for space, features in spaces.items():
        for strength in STRENGTHS:
            logits, models = np.full(len(rare), np.nan), []
            for fitted, left in parts:
                model = make_pipeline(StandardScaler(), LogisticRegression(C=strength, max_iter=1000))
                models.append(model.fit(features[fitted], rare[fitted]))
                logits[left] = models[-1].decision_function(features[left])
            auc = float(group_auc(logits, rare, resamples=0))
            if best is None or auc > best[0]:
                best = auc, space, strength, logits, models
    assert best is not None
    auc, space, strength, logits, models = best
    valued = ~np.isnan(logits)
    platt = LogisticRegression(C=1e6).fit(logits[valued, None], rare[valued])
    slope, offset = float(platt.coef_[0, 0]), float(platt.intercept_[0])
    return LabelJudge(space, strength, auc, slope * logits + offset, models, slope, offset)
