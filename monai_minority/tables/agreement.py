"""Whether the minority score ranks what it should: densities, severity, known groups, the target class."""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from monai_minority.evaluation.agreement import group_auc, rank_correlation, strata_of
from monai_minority.evaluation.groups import called, normal_groups
from monai_minority.evaluation.intervals import Statistic, bootstrap
from monai_minority.evaluation.weighted_statistics import weighted_auc, weighted_rank_correlation, weighted_top_share
from monai_minority.keys import Column, Split
from monai_minority.tables.images import GeneratedImages, RealImages
from monai_minority.tables.measures import RANKERS, SEVERITY_MEASURE
from monai_minority.tables.settings import MeasureSettings

RANKS = "rank correlation"
AUC = "AUC"
MATCHED_AUC = "AUC among images of similar "
"""Followed by the column that is similar."""

TOP_TENTH = "share in the top tenth"
EVERY = "all images"
NOT_TRAINED_ON = "images never trained on"
SUBJECT_MEANS = "subject means"
SEVERE_SHARE = 0.1


class _Contrast(NamedTuple):
    """A rare group against a common one: which images belong to either, and which of them are rare."""

    name: str
    valid: np.ndarray
    rare: np.ndarray


def agreement_table(
    real_images: RealImages, generated_images: GeneratedImages, settings: MeasureSettings
) -> pd.DataFrame:
    """Every figure of agreement, with bootstrap intervals that resample subjects, and of generated images seeds, which
    the classes of a set have in common.

    One row a figure: ``figure`` (:data:`RANKS`, :data:`AUC`, :data:`MATCHED_AUC` or :data:`TOP_TENTH`), ``measure``
    that ranks, ``against`` what, ``images`` (:data:`EVERY`, :data:`NOT_TRAINED_ON`, :data:`SUBJECT_MEANS` or the name
    of a generated set), ``value``, ``low``, ``high``, ``n``, ``positive`` (images of the rare group) and ``overall``
    (their share among all, beside that in the top tenth), ``subjects`` (of generated images, seeds), ``rare_subjects``
    and ``other_subjects`` (those with images of either group; a subject may have both). A figure is left out where
    fewer than three images have its values, or one of its groups is empty. Its interval is NaN where a group has too
    few subjects or all resamples agree; see :func:`~monai_minority.evaluation.intervals.bootstrap`.

    The AUC among images of similar ``matched_by`` is of all pairs of a rare and another image within an interval of
    :func:`~monai_minority.evaluation.agreement.strata_of`. It counts the images that have such a partner.

    Groups other than the normal one are taken together and one by one. Where there are no groups but a
    severity, the rare group is its highest tenth.

    Raises:
        ValueError: ``normal_group`` is no group of the table.
    """
    real, generated = real_images.table, generated_images.table
    subjects = pd.factorize(real_images.subjects)[0]  # numbers are soon compared, names are not
    scopes = {EVERY: np.ones(len(real), bool), NOT_TRAINED_ON: settings.is_held_out(real)}
    contrasts = list(_contrasts(real, settings.normal_group))
    strata = np.zeros(0) if settings.matched_by is None else strata_of(real[settings.matched_by].to_numpy())
    rows: list[dict[str, Any]] = []

    def add(
        figure: str, value: float, statistic: Statistic, who: np.ndarray, rare: np.ndarray | None = None, **labels: Any
    ) -> None:
        low, high = bootstrap(statistic, who, settings.resamples, seed=settings.seed, groups=rare)
        counts = {"n": len(who), "subjects": len(np.unique(who))}
        if rare is not None:
            counts |= {"rare_subjects": len(np.unique(who[rare])), "other_subjects": len(np.unique(who[~rare]))}
        rows.append({"figure": figure, "value": value, "low": low, "high": high, **counts, **labels})

    def correlate(part: pd.DataFrame, who: np.ndarray, measure: str, against: str, images: str) -> None:
        pair = part[[measure, against]].to_numpy(dtype=np.float64)
        both = ~np.isnan(pair).any(axis=1)
        if both.sum() >= 3:
            a, b = pair[both].T
            value = float(rank_correlation(a, b, resamples=0))
            add(
                RANKS,
                value,
                weighted_rank_correlation(a, b),
                who[both],
                measure=measure,
                against=against,
                images=images,
            )

    for scope, chosen in scopes.items():
        for measure, against in _pairs(real):
            correlate(real[chosen], subjects[chosen], measure, against, scope)
        for contrast in contrasts:
            for measure in RANKERS:
                inside = chosen & contrast.valid & real[measure].notna().to_numpy()
                rare, values, who = contrast.rare[inside], real.loc[inside, measure].to_numpy(), subjects[inside]
                if rare.all() or not rare.any() or len(rare) < 3:
                    continue
                labels: dict[str, Any] = {"measure": measure, "against": contrast.name, "images": scope}
                labels["positive"] = int(rare.sum())
                area = float(group_auc(values, rare, resamples=0))
                add(AUC, area, weighted_auc(values, rare), who, rare, **labels)
                if settings.matched_by is not None:
                    near = strata[inside]
                    paired = np.isin(near, near[rare]) & np.isin(near, near[~rare])
                    if paired.sum() >= 3:
                        within = weighted_auc(values[paired], rare[paired], near[paired])
                        area = float(within(np.ones((1, paired.sum())))[0])
                        counted = labels | {"positive": int(rare[paired].sum())}
                        name = MATCHED_AUC + settings.matched_by
                        add(name, area, within, who[paired], rare[paired], **counted)
                top = weighted_top_share(values, rare)
                share = float(top(np.ones((1, len(rare))))[0])
                add(TOP_TENTH, share, top, who, rare, overall=float(rare.mean()), **labels)
    if Column.SEVERITY in real and len(np.unique(subjects)) < len(real):
        means = real[[*RANKERS, Column.SEVERITY.value]].groupby(subjects).mean()
        for measure in RANKERS:
            correlate(means, means.index.to_numpy(), measure, Column.SEVERITY.value, SUBJECT_MEANS)
    for name, part in generated[generated[Column.TARGET_CLASS] >= 0].groupby("set", sort=False):
        for measure in (*RANKERS, SEVERITY_MEASURE):
            if measure in part and part[Column.TARGET_CLASS].nunique() > 1:
                correlate(part, part[Column.SEED].to_numpy(), measure, Column.TARGET_CLASS.value, str(name))
    columns = ["figure", "measure", "against", "images", "value", "low", "high", "n", "positive", "overall"]
    return pd.DataFrame(rows, columns=[*columns, "subjects", "rare_subjects", "other_subjects"])


def _pairs(real: pd.DataFrame) -> Iterator[tuple[str, str]]:
    """What is correlated with what among real images."""
    score, *densities = RANKERS
    yield from ((score, density) for density in densities)
    for severity in (Column.SEVERITY.value, SEVERITY_MEASURE):
        if severity in real:
            yield from ((ranker, severity) for ranker in RANKERS)
    if {Column.SEVERITY.value, SEVERITY_MEASURE} <= set(real):
        yield SEVERITY_MEASURE, Column.SEVERITY.value


def _contrasts(real: pd.DataFrame, normal: str | Sequence[str] | None) -> Iterator[_Contrast]:
    group = real.get(Column.GROUP)
    if group is not None and group.notna().any():
        names = normal_groups(group, real[Column.SPLIT] == Split.TRAIN, normal)
        known, usual = group.notna().to_numpy(), group.isin(names).to_numpy()
        others = sorted(group[known & ~usual].unique())
        if len(others) > 1:
            yield _Contrast(f"every other group against {called(names)}", known, ~usual)
        for other in others:
            rare = (group == other).to_numpy()
            yield _Contrast(f"{other} against {called(names)}", rare | usual, rare)
    elif Column.SEVERITY in real and real[Column.SEVERITY].notna().any():
        severity = real[Column.SEVERITY].to_numpy(dtype=np.float64)
        high = severity > np.nanquantile(severity, 1 - SEVERE_SHARE)
        yield _Contrast("most severe tenth against the rest", ~np.isnan(severity), high)
