"""Membership: whether a model gives away that a person was among its training subjects, one subject at a time."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import torch
from torch import nn

from monai_minority.data.store.image_store import ImageStore
from monai_minority.evaluation.features import extract
from monai_minority.evaluation.groups import normal_groups
from monai_minority.evaluation.intervals import UNKNOWN_INTERVAL, bootstrap
from monai_minority.evaluation.nearest import nearest_real
from monai_minority.evaluation.weighted_statistics import weighted_auc
from monai_minority.keys import Column, Split
from monai_minority.scoring import CrossFittedScore
from monai_minority.tables.rows import ALL, share
from monai_minority.tables.settings import MeasureSettings

WORST, RAREST = "worst tenth", "rare"
NEAREST = "nearest of "
"""How the name of evidence begins that a set of generated images gives."""
FOLDS = "score by fold"
_LEAST_CONTROLS = 9  # with which one subject can be beyond nine tenths


class Evidence(NamedTuple):
    """What an attacker could know of each image, lower for an image that was learned from."""

    learned: np.ndarray
    """Of each image ``[N]``, as the model shows it; NaN where unknown."""
    control: np.ndarray
    """Of each image ``[N]``, as a model shows it that learned nothing from its subject, or of images of people never
    trained on; NaN elsewhere."""


def nearest_samples(
    store: ImageStore,
    samples: Mapping[str, ImageStore],
    extractor: nn.Module,
    feature_dir: str | Path | None = None,
    settings: MeasureSettings | None = None,
) -> dict[str, Evidence]:
    """Distance in features from each real image to the nearest generated one, a set at a time. The real images outside
    the training split are the control."""
    settings = settings or MeasureSettings()

    def features(images: ImageStore) -> np.ndarray:
        return extract(images, extractor, feature_dir, settings.batch_size, progress=settings.progress)

    trained = (store.table[Column.SPLIT] == Split.TRAIN).to_numpy()
    real, found = features(store), {}
    for name, made in samples.items():
        near = nearest_real(features(made), real).distances[:, 0]
        found[NEAREST + name] = Evidence(np.where(trained, near, np.nan), np.where(trained, np.nan, near))
    return found


def fold_scores(
    score: CrossFittedScore, images: ImageStore, class_label_columns: Sequence[str] = (), batch_size: int = 64
) -> Evidence:
    """The score of each training image by a network that learned from its subject, less that by the network of all
    subjects; and, as the control of members alone, the same by the network that was trained without its subject."""
    rows = np.flatnonzero(images.table[Column.SPLIT] == Split.TRAIN)
    found = np.full((2, len(images)), np.nan)
    for part in np.split(rows, range(batch_size, len(rows), batch_size)):
        x, seeds = images.batch(part).to(score.device), (score.first_seed + part).tolist()
        labels = [torch.as_tensor(images.table[name].to_numpy()[part], device=x.device) for name in class_label_columns]
        found[:, part] = score.against_whole(x, *labels, seeds=seeds).cpu().numpy()
    return Evidence(found[1], found[0])


def membership(
    table: pd.DataFrame, evidence: Mapping[str, Evidence], settings: MeasureSettings | None = None
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """How well training subjects can be told from subjects that nothing was learned from.

    A subject counts by its most telling image. It is compared with the control of its own stratum, which is its group
    where groups are known, or else the highest minority class of its images: generated images of rare classes lie near
    to all rare people, known or not. Without leakage one in ten subjects lies beyond nine tenths of its control.

    Args:
        table: of the real images, with ``subject``, ``split``, and ``group`` or ``minority_class`` if known.
        evidence: by name.
        settings: resamples and seed; ``None``: the defaults.

    Returns:
        The subjects, a row for each training subject and evidence: ``stratum``, ``images``, and ``control_below``, the
        share of the control that looks at least as much like members (Davison and Hinkley's p-value), NaN where the
        stratum has fewer than nine control subjects, which could show no tenth. And the summary, a row for
        :data:`~monai_minority.tables.rows.ALL` subjects, each stratum, the :data:`RAREST` (of other groups than the
        normal, or of the highest class) and the :data:`WORST`: numbers of subjects ``n`` and of controls; ``auc`` with
        its 95 % bootstrap interval, the chance that a subject looks more like a member than a control of the same
        stratum does; ``beyond`` with its interval, the share of subjects beyond nine tenths of their control; and the
        mean of ``control_below``, without leakage 0.5, of the worst tenth 0.05.
    """
    settings = settings or MeasureSettings()
    strata, rare = _strata(table, settings)
    subjects, rows = [], []
    for name, (learned, control) in evidence.items():
        members, others = (_by_subject(table, strata, values) for values in (learned, control))
        members["control_below"] = [
            _at_least_as_telling(value, others["value"][others["stratum"] == stratum].to_numpy())
            for value, stratum in zip(members["value"], members["stratum"], strict=True)
        ]
        subjects.append(members.drop(columns="value").assign(evidence=name))
        rows.append(_row(name, ALL, members, others, settings))
        if members["stratum"].nunique() > 1:
            for stratum, part in members.groupby("stratum"):
                rows.append(_row(name, str(stratum), part, others[others["stratum"] == stratum], settings))
            chosen, against = (part[part["stratum"].isin(rare)] for part in (members, others))
            rows.append(_row(name, RAREST, chosen, against, settings))
        worst = members.nsmallest(-(-len(members) // 10), "control_below")
        rows.append(_row(name, WORST, worst, others.iloc[:0], settings) | {"controls": len(others)})
    return pd.concat(subjects, ignore_index=True), pd.DataFrame(rows)


def rarest_subjects(table: pd.DataFrame) -> int | None:
    """Number of training subjects with an image of the rarest minority class; ``None`` before classes are cut.

    >>> rarest_subjects(pd.DataFrame({"subject": [1, 2, 3], "split": "train", "minority_class": [0, 1, 1]}))
    2
    """
    if Column.MINORITY_CLASS not in table or not (classes := table[Column.MINORITY_CLASS]).notna().any():
        return None
    rare = (classes == classes.max()) & (table[Column.SPLIT] == Split.TRAIN)
    return int(table.loc[rare, Column.SUBJECT].nunique())


def few_rare_subjects(count: float | None, least: float) -> str:
    """A warning where the rarest class was learned from fewer than ``least`` subjects; else empty.

    >>> few_rare_subjects(11, 11), few_rare_subjects(2, 11)[:54]
    ('', 'The rarest class was learned from 2 training subjects,')
    """
    if count is None or not count < least:
        return ""
    return (
        f"The rarest class was learned from {count:.0f} training subjects, fewer than {least:.0f} "
        "(least_rare_subjects): images guided to it may show these people. Give away neither the networks nor such "
        "images before you have looked at evaluation/membership.csv and at the nearest training images."
    )


def _strata(table: pd.DataFrame, settings: MeasureSettings) -> tuple[pd.Series, list[str]]:
    """What each image's subject is compared within, and which of these are rare."""
    if Column.GROUP in table and table[Column.GROUP].notna().any():
        normal = normal_groups(table[Column.GROUP], table[Column.SPLIT] == Split.TRAIN, settings.normal_group)
        return table[Column.GROUP].astype(str), sorted(set(table[Column.GROUP].dropna().astype(str)) - set(normal))
    if Column.MINORITY_CLASS in table and table[Column.MINORITY_CLASS].notna().any():
        highest = table.groupby(Column.SUBJECT)[Column.MINORITY_CLASS].transform("max")
        return "class " + highest.astype(str), [f"class {highest.max()}"]
    return pd.Series(ALL, table.index), []


def _by_subject(table: pd.DataFrame, strata: pd.Series, values: np.ndarray) -> pd.DataFrame:
    """The lowest value of each subject that has any."""
    part = pd.DataFrame({"subject": table[Column.SUBJECT].astype(str), "stratum": strata, "value": values})
    found = part.dropna(subset="value").groupby("subject", sort=False)  # by row: pseudonyms differ from run to run
    return found.agg(stratum=("stratum", "first"), images=("value", "size"), value=("value", "min")).reset_index()


def _at_least_as_telling(value: float, control: np.ndarray) -> float:
    return float("nan") if len(control) < _LEAST_CONTROLS else (1 + int((control <= value).sum())) / (1 + len(control))


def _row(name: str, who: str, members: pd.DataFrame, others: pd.DataFrame, settings: MeasureSettings) -> dict[str, Any]:
    both = pd.concat([members, others])
    member = np.arange(len(both)) < len(members)
    strata, clusters = (np.unique(both[column], return_inverse=True)[1] for column in ("stratum", "subject"))
    auc, interval = float("nan"), UNKNOWN_INTERVAL
    if len(members) and len(others):
        statistic = weighted_auc(-both["value"].to_numpy(float), member, strata)
        auc = float(statistic(np.ones((1, len(both))))[0])
        interval = bootstrap(statistic, clusters, settings.resamples, seed=settings.seed, groups=member)
    known = members["control_below"].dropna().to_numpy()
    return {
        "evidence": name,
        "subjects": who,
        "n": len(members),
        "controls": len(others),
        "auc": auc,
        "auc_low": interval.low,
        "auc_high": interval.high,
        **share("beyond", known <= 0.1),
        "control_below": float(known.mean()) if len(known) else float("nan"),
    }
