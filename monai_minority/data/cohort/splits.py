"""Splits by subject, made before anything is learned, and the proof that nobody is on two sides."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeVar

import numpy as np
import pandas as pd

from monai_minority.data.cohort.cohort import Cohort
from monai_minority.keys import Column, Split

Listing = TypeVar("Listing", pd.DataFrame, list[dict[str, Any]])


def split_by_subject(
    datalist: Listing, fractions: Mapping[str, float], seed: int = 0, stratify: str | None = None
) -> Listing:
    """Give every subject one split.

    Subjects are ordered by a hash of their name and the seed and cut at the cumulative fractions, so the
    result depends on neither the order of the list nor the machine. Splits that are given stay; a subject
    with a split on some rows has it on all.

    Args:
        datalist: a table, or a list of dictionaries, with ``subject``.
        fractions: split to its share of the subjects that have no split yet; they sum to 1.
        seed: another seed, another split.
        stratify: column (for instance ``group``) within whose values the shares hold, by each subject's first
            row.

    Returns:
        A copy with the column ``split``.

    Raises:
        ValueError: fractions that are negative, do not sum to 1 or name an unknown split, a given split that
            is unknown, a missing column, or a subject given two splits.
    """
    known = {str(split) for split in Split}
    if any(v < 0 for v in fractions.values()) or abs(sum(fractions.values()) - 1) > 1e-6:
        raise ValueError(f"fractions must be non-negative and sum to 1, got {dict(fractions)}")
    if set(fractions) - known:
        raise ValueError(f"fractions must be keyed by {', '.join(sorted(known))}, got {', '.join(fractions)}")
    table = datalist if isinstance(datalist, pd.DataFrame) else pd.DataFrame(datalist)
    for name in filter(None, (Column.SUBJECT, stratify)):
        if name not in table:
            raise ValueError(f"splitting needs the column {str(name)!r}, the list has {', '.join(table.columns)}")
    given = _given(table)
    unknown = sorted(set(given.dropna()) - known)
    if unknown:
        raise ValueError(f"a split must be one of {', '.join(sorted(known))}, got {', '.join(unknown)}")
    check_no_leak(table)
    by_subject = given.groupby(table[Column.SUBJECT]).first()
    open_subjects = by_subject.index[by_subject.isna()]
    first = table.drop_duplicates(Column.SUBJECT).set_index(Column.SUBJECT)
    stratum = first[stratify].reindex(open_subjects).map(str) if stratify else pd.Series("", open_subjects)
    for _, members in stratum.groupby(stratum):
        ordered = _shuffled(members.index, seed)
        ends = np.rint(np.cumsum([0.0, *fractions.values()]) * len(ordered)).astype(int)
        for name, start, end in zip(fractions, ends[:-1], ends[1:], strict=True):
            by_subject[ordered[start:end]] = str(name)
    splits = table[Column.SUBJECT].map(by_subject)
    if isinstance(datalist, pd.DataFrame):
        return datalist.assign(**{Column.SPLIT: splits.to_numpy()})
    return [{**entry, str(Column.SPLIT): split} for entry, split in zip(datalist, splits, strict=True)]


def long_tail(
    table: pd.DataFrame, keep_abnormal: int, normal_groups: Sequence[str] | None = None, seed: int = 0
) -> pd.DataFrame:
    """Make the training split long-tailed: all its normal subjects and only a few abnormal ones, as in the
    paper.

    The other abnormal subjects move to the ``reference`` split, which is never learned from.

    Args:
        table: with ``subject``, ``split`` and ``group`` or ``severity``.
        keep_abnormal: number of abnormal subjects that stay in ``train`` (in the paper 30 beside 652 normal
            ones).
        normal_groups: groups that are normal; ``None``: severity 0 or below, or unknown, is normal.
        seed: chooses who stays.

    Raises:
        ValueError: fewer abnormal subjects in ``train`` than are to stay, or a group that does not occur.
    """
    if normal_groups is None:
        abnormal = table[Column.SEVERITY] > 0
    else:
        absent = sorted(set(normal_groups) - set(table[Column.GROUP].dropna()))
        if absent:
            found = ", ".join(sorted(table[Column.GROUP].dropna().unique()))
            raise ValueError(f"normal_groups must occur in the cohort, {', '.join(absent)} does not; it has {found}")
        abnormal = ~table[Column.GROUP].isin(list(normal_groups))
    in_train = table[Column.SPLIT] == Split.TRAIN
    # A subject with one abnormal image is abnormal: moving some of its images would split it.
    subjects = _shuffled(table.loc[abnormal & in_train, Column.SUBJECT].unique(), seed)
    if not 0 <= keep_abnormal <= len(subjects):
        raise ValueError(
            f"keep_abnormal must be 0 to {len(subjects)}, the abnormal subjects in train, got {keep_abnormal}"
        )
    moved = in_train & table[Column.SUBJECT].isin(subjects[keep_abnormal:])
    return table.assign(**{Column.SPLIT: table[Column.SPLIT].mask(moved, str(Split.REFERENCE))})


def split_cohort(
    cohort: Cohort,
    fractions: Mapping[str, float],
    seed: int = 0,
    stratify: str | None = None,
    keep_abnormal: int | None = None,
    normal_groups: Sequence[str] | None = None,
) -> Cohort:
    """:func:`split_by_subject` and, with ``keep_abnormal``, :func:`long_tail` on a cohort."""
    table = split_by_subject(cohort.table, fractions, seed, stratify)
    if keep_abnormal is not None:
        table = long_tail(table, keep_abnormal, normal_groups, seed)
    check_no_leak(table)
    return replace(cohort, table=table)


def check_no_leak(table: pd.DataFrame | Sequence[Mapping[str, Any]]) -> None:
    """Raise if a subject is in more than one split.

    Raises:
        ValueError: names up to ten such subjects with their splits.
    """
    table = table if isinstance(table, pd.DataFrame) else pd.DataFrame(list(table))
    splits, subjects = _given(table), table[Column.SUBJECT]
    several = splits.groupby(subjects).transform("nunique") > 1
    if several.any():
        leaking = splits[several].groupby(subjects[several]).agg(lambda s: sorted(set(s.dropna())))
        named = "; ".join(f"{subject} in {' and '.join(where)}" for subject, where in leaking.head(10).items())
        raise ValueError(f"{len(leaking)} subject(s) are in more than one split, so results would leak: {named}")


def _given(table: pd.DataFrame) -> pd.Series:
    if Column.SPLIT not in table:
        return pd.Series(None, index=table.index, dtype=object)
    values = table[Column.SPLIT].astype(object)
    return values.where(values.notna() & (values != ""), None).map(str, na_action="ignore")


def _shuffled(subjects: Any, seed: int) -> list[str]:
    return sorted(subjects, key=lambda s: hashlib.sha256(f"{seed}:{s}".encode()).digest())
