"""Whether the minority score ranks what it should: densities, severity, known groups, the target class."""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from monai_minority.evaluation.agreement import group_auc, rank_correlation
from monai_minority.evaluation.fidelity import bootstrap
from monai_minority.evaluation.figure import Figure
from monai_minority.evaluation.image_tables import SEVERITY_MEASURE
from monai_minority.keys import Column, Split

RANKS = "rank correlation"
AUC = "AUC"
TOP_TENTH = "share in the top tenth"
EVERY = "all images"
UNSEEN = "images never trained on"
SUBJECT_MEANS = "subject means"
RANKERS = (Column.SCORE.value, "average_knn", "local_outlier_factor")
"""What is asked to rank the images: the score, and beside it the two densities, which need no model."""

SEVERE_SHARE = 0.1


class _Contrast(NamedTuple):
    """A rare group against a common one: which images belong to either, and which of them are rare."""

    name: str
    valid: np.ndarray
    rare: np.ndarray


def agreement_table(
    real: pd.DataFrame,
    generated: pd.DataFrame,
    subjects: np.ndarray,
    *,
    held_out: Sequence[str],
    normal_group: str | None = None,
    resamples: int = 1000,
    seed: int = 0,
) -> pd.DataFrame:
    """Every figure of agreement, with bootstrap intervals that resample subjects (generated images singly).

    One row a figure: ``figure`` (:data:`RANKS`, :data:`AUC` or :data:`TOP_TENTH`), ``measure`` that ranks,
    ``against`` what, ``images`` (:data:`EVERY`, :data:`UNSEEN`, :data:`SUBJECT_MEANS` or the name of a
    generated set), ``value``, ``low``, ``high``, ``n``, ``positive`` (images of the rare group) and
    ``overall`` (their share among all, beside that in the top tenth). A figure is left out where fewer than
    three images have its values, or one of its groups is empty.

    Groups other than the normal one are taken together and one by one. Where there are no groups but a
    severity, the rare group is its highest tenth.

    Args:
        real: table of real images.
        generated: table of generated images.
        subjects: subject of each real image ``[N]``.
        held_out: splits that the backbone never saw.
        normal_group: value of ``group``; ``None``: the commonest in training.
        resamples: of the bootstrap; 0 leaves intervals out.
        seed: of the bootstrap.

    Raises:
        ValueError: ``normal_group`` is no group of the table.
    """
    settings: dict[str, Any] = {"resamples": resamples, "seed": seed}
    scopes = {EVERY: np.ones(len(real), bool), UNSEEN: real[Column.SPLIT].isin(list(held_out)).to_numpy()}
    contrasts = list(_contrasts(real, normal_group))
    rows: list[dict[str, Any]] = []

    def correlate(a: pd.Series, b: pd.Series, who: np.ndarray | None, **labels: str) -> None:
        if (a.notna() & b.notna()).sum() >= 3:
            figure = rank_correlation(a.to_numpy(), b.to_numpy(), subjects=who, **settings)
            rows.append(_row(RANKS, figure, **labels))

    for scope, chosen in scopes.items():
        part, who = real[chosen], subjects[chosen]
        for measure, against in _pairs(real):
            correlate(part[measure], part[against], who, measure=measure, against=against, images=scope)
        for contrast in contrasts:
            inside = chosen & contrast.valid
            rare = contrast.rare[inside]
            if rare.all() or not rare.any() or len(rare) < 3:
                continue
            for measure in RANKERS:
                values, labels = real.loc[inside, measure].to_numpy(), {"against": contrast.name, "images": scope}
                auc = group_auc(values, rare, subjects=subjects[inside], **settings)
                rows.append(_row(AUC, auc, measure=measure, **labels))
                rows.append(_top_tenth(values, rare, subjects[inside], settings) | {"measure": measure} | labels)
    if Column.SEVERITY in real and len(np.unique(subjects)) < len(real):
        means = real[[*RANKERS, Column.SEVERITY.value]].groupby(subjects).mean()
        for measure in RANKERS:
            severity = means[Column.SEVERITY]
            correlate(means[measure], severity, None, measure=measure, against="severity", images=SUBJECT_MEANS)
    for name, part in generated[generated[Column.TARGET_CLASS] >= 0].groupby("set", sort=False):
        target = part[Column.TARGET_CLASS].astype(float)
        for measure in (*RANKERS, SEVERITY_MEASURE):
            if measure in part and target.nunique() > 1:
                correlate(part[measure], target, None, measure=measure, against="target_class", images=str(name))
    columns = ["figure", "measure", "against", "images", "value", "low", "high", "n", "positive", "overall"]
    return pd.DataFrame(rows, columns=columns)


def _pairs(real: pd.DataFrame) -> Iterator[tuple[str, str]]:
    """What is correlated with what among real images."""
    score, *densities = RANKERS
    yield from ((score, density) for density in densities)
    for severity in (Column.SEVERITY.value, SEVERITY_MEASURE):
        if severity in real:
            yield from ((ranker, severity) for ranker in RANKERS)
    if {Column.SEVERITY.value, SEVERITY_MEASURE} <= set(real):
        yield SEVERITY_MEASURE, Column.SEVERITY.value


def _contrasts(real: pd.DataFrame, normal: str | None) -> Iterator[_Contrast]:
    group = real.get(Column.GROUP)
    if group is not None and group.notna().any():
        trained = group[real[Column.SPLIT] == Split.TRAIN].dropna()
        if normal is None:
            normal = (trained if len(trained) else group).mode()[0]
        if normal not in set(group):
            raise ValueError(f"normal_group must be one of {sorted(group.dropna().unique())}, got {normal!r}")
        known, usual = group.notna().to_numpy(), (group == normal).to_numpy()
        others = sorted(group[known & ~usual].unique())
        if len(others) > 1:
            yield _Contrast(f"every other group against {normal}", known, ~usual)
        for other in others:
            rare = (group == other).to_numpy()
            yield _Contrast(f"{other} against {normal}", rare | usual, rare)
    elif Column.SEVERITY in real and real[Column.SEVERITY].notna().any():
        severity = real[Column.SEVERITY].to_numpy(dtype=np.float64)
        high = severity > np.nanquantile(severity, 1 - SEVERE_SHARE)
        yield _Contrast("most severe tenth against the rest", ~np.isnan(severity), high)


def _top_tenth(values: np.ndarray, rare: np.ndarray, subjects: np.ndarray, settings: dict[str, Any]) -> dict[str, Any]:
    """Share of the rare group among the highest tenth, ties in the order of rows."""
    pairs = np.stack([values, rare], axis=1)[~np.isnan(values)]

    def share(drawn: np.ndarray) -> float:
        highest = np.argsort(-drawn[:, 0], kind="stable")[: max(1, len(drawn) // 10)]
        return float(drawn[highest, 1].mean())

    low = high = float("nan")
    if settings["resamples"]:
        low, high = bootstrap(share, pairs, groups=[subjects[~np.isnan(values)]], **settings)
    figure = Figure(TOP_TENTH, share(pairs), low, high, {"N": len(pairs), "N positive": int(pairs[:, 1].sum())})
    return _row(TOP_TENTH, figure) | {"overall": float(pairs[:, 1].mean())}


def _row(name: str, figure: Figure, **labels: str) -> dict[str, Any]:
    counts = {"n": figure.context["N"], "positive": figure.context.get("N positive")}
    return {"figure": name, **labels, "value": figure.value, "low": figure.low, "high": figure.high, **counts}
