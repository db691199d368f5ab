"""Splits by subject, made before any training, and a check that no subject is in two splits."""

import hashlib
import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeVar

import numpy as np
import pandas as pd

from monai_minority.data.cohort.cohort import Cohort
from monai_minority.keys import Column, Split

logger = logging.getLogger(__name__)
Listing = TypeVar("Listing", pd.DataFrame, list[dict[str, Any]])


def split_by_subject(
    datalist: Listing, fractions: Mapping[str, float], seed: int = 0, stratify: str | None = None
) -> Listing:
    """Assign one split to every subject.

    Subjects are sorted by a hash of their name and the seed, and cut at the cumulative fractions. The result does not
    depend on the order of the list or on the machine. Existing splits are kept; if some rows of a subject have a
    split, all of its rows get it.

    Args:
        datalist: a table, or a list of dictionaries, with ``subject``.
        fractions: split to its share of the subjects that have no split yet. The shares sum to 1.
        seed: seed of the hash.
        stratify: column (for example ``group``) in each of whose values the shares hold. The first row of a subject
            counts.

    Returns:
        A copy with the column ``split``.

    Raises:
        ValueError: fractions are negative, do not sum to 1 or name an unknown split; an existing split is unknown; a
            column is missing; or a subject has two splits.

    Example:
        >>> from monai_minority.data import split_by_subject
        >>> slices = [{"subject": name} for name in ("a", "a", "b", "c", "d")]
        >>> slices = split_by_subject(slices, {"train": 0.75, "test": 0.25}, seed=1)
        >>> [(entry["subject"], entry["split"]) for entry in slices]
        [('a', 'train'), ('a', 'train'), ('b', 'train'), ('c', 'test'), ('d', 'train')]
    """
    known = {str(split) for split in Split}
    if any(v < 0 for v in fractions.values()) or abs(sum(fractions.values()) - 1) > 1e-6:
        raise ValueError(f"fractions must be non-negative and sum to 1, got {dict(fractions)}")
    if set(fractions) - known:
        raise ValueError(f"fractions must be keyed by {', '.join(sorted(known))}, got {', '.join(fractions)}")
    table = datalist if isinstance(datalist, pd.DataFrame) else pd.DataFrame(datalist)
    for name in filter(None, (Column.SUBJECT, stratify)):
        if name not in table:
            raise ValueError(f"splitting needs the column {str(name)!r}, but the list has {', '.join(table.columns)}")
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
    """Make the training split long-tailed, as in the paper: all normal subjects and only a few abnormal ones.

    The other abnormal subjects move to the split ``reference``, which is never used for training.

    Args:
        table: table with ``subject``, ``split`` and ``group`` or ``severity``.
        keep_abnormal: number of abnormal subjects that stay in ``train`` (the paper has 30, and 652 normal ones).
        normal_groups: groups that count as normal. ``None``: a severity of 0 or below, or unknown, counts as normal.
        seed: seed of the choice of subjects.

    Returns:
        A copy with the new splits.

    Raises:
        ValueError: ``train`` has fewer abnormal subjects than ``keep_abnormal``, or a group does not occur.

    Example:
        >>> import pandas as pd
        >>> from monai_minority.data import long_tail
        >>> table = pd.DataFrame({"subject": list("abcd"), "split": "train", "severity": [0, 0, 1, 2]})
        >>> long_tail(table, keep_abnormal=1)["split"].value_counts().to_dict()
        {'train': 3, 'reference': 1}
    """
    if normal_groups is None:
        abnormal = table[Column.SEVERITY] > 0
    else:
        absent = sorted(set(normal_groups) - set(table[Column.GROUP].dropna()))
        if absent:
            found = ", ".join(sorted(table[Column.GROUP].dropna().unique()))
            raise ValueError(
                f"normal_groups must occur in the cohort, but it has no {', '.join(absent)}; it has {found}"
            )
        abnormal = ~table[Column.GROUP].isin(list(normal_groups))
    in_train = table[Column.SPLIT] == Split.TRAIN
    # A subject with one abnormal image counts as abnormal: its images must stay in one split.
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
    """Apply :func:`split_by_subject`, and with ``keep_abnormal`` also :func:`long_tail`, to a cohort.

    Args:
        cohort: the cohort.
        fractions: see :func:`split_by_subject`.
        seed: see there.
        stratify: see there.
        keep_abnormal: see :func:`long_tail`; ``None`` keeps all abnormal subjects.
        normal_groups: see there.

    Returns:
        A cohort with the column ``split``.

    Raises:
        ValueError: as the two functions.

    Example:
        >>> import pandas as pd
        >>> from monai_minority.data import Cohort, split_cohort
        >>> cohort = Cohort(pd.DataFrame({"subject": list("abcd"), "severity": [0, 0, 1, 2]}))
        >>> cohort = split_cohort(cohort, {"train": 1.0}, keep_abnormal=1)
        >>> cohort.table["split"].value_counts().to_dict()
        {'train': 3, 'reference': 1}
    """
    table = split_by_subject(cohort.table, fractions, seed, stratify)
    if keep_abnormal is not None:
        table = long_tail(table, keep_abnormal, normal_groups, seed)
    check_no_leak(table)
    _warn_of_one_split(table, fractions)
    return replace(cohort, table=table)


def _warn_of_one_split(table: pd.DataFrame, fractions: Mapping[str, float]) -> None:
    """Say where a cohort that should have several splits has one, because that hides that nothing is held out."""
    found, subjects = table[Column.SPLIT].dropna().unique(), table[Column.SUBJECT].nunique()
    if len(found) == 1 and len(table) > 1 and sum(share > 0 for share in fractions.values()) > 1:
        why = "" if subjects > 1 else "; if they are of several, tell these apart with subject_pattern or a column"
        logger.warning(
            "all %d images, of %d subject(s), are in the split %s, so nothing is held out%s",
            len(table),
            subjects,
            found[0],
            why,
        )


def folds_by_subject(table: pd.DataFrame, count: int, seed: int = 0) -> np.ndarray:
    """Fold of each image, the same for all images of a subject.

    The subjects of the training split are shared out evenly, and so are the others. The draw depends on the seed and on
    the order in which subjects first appear, not on their names: pseudonyms differ between run folders.

    Args:
        table: table with ``split``, and with ``subject`` unless every image is a separate subject.
        count: number of folds.
        seed: seed of the draw.

    Returns:
        int64 ``[N]``, 0 … ``count`` - 1.

    Raises:
        ValueError: ``count`` is not a whole number of at least 2, or there are fewer training subjects.

    Example:
        >>> import pandas as pd
        >>> from monai_minority.data import folds_by_subject
        >>> folds_by_subject(pd.DataFrame({"subject": list("aabbcd"), "split": ["train"] * 5 + ["test"]}), count=3)
        array([1, 1, 2, 2, 0, 0])
    """
    subjects = table[Column.SUBJECT] if Column.SUBJECT in table else pd.Series(range(len(table)))
    codes, names = pd.factorize(subjects, use_na_sentinel=False)
    trained = np.zeros(len(names), bool)
    trained[codes[(table[Column.SPLIT] == Split.TRAIN).to_numpy()]] = True
    if isinstance(count, bool) or not isinstance(count, int) or not 2 <= count <= trained.sum():
        raise ValueError(
            f"the number of folds (cross_fit) must be 2 to {trained.sum()}, the number of training subjects, got "
            f"{count!r}; 5 is usual"
        )
    folds = np.empty(len(names), np.int64)
    rng = np.random.default_rng(seed)
    for members in (np.flatnonzero(trained), np.flatnonzero(~trained)):
        folds[rng.permutation(members)] = np.arange(len(members)) % count
    return folds[codes]


def check_no_leak(table: pd.DataFrame | Sequence[Mapping[str, Any]]) -> None:
    """Raise an error if a subject is in more than one split.

    Args:
        table: a table, or a list of dictionaries, with ``subject`` and ``split``.

    Raises:
        ValueError: a subject is in two splits. The message names up to ten such subjects.

    Example:
        >>> from monai_minority.data import check_no_leak
        >>> check_no_leak([{"subject": "a", "split": "train"}, {"subject": "a", "split": "test"}])
        Traceback (most recent call last):
        ValueError: 1 subject(s) are in more than one split, so results would leak: a in test and train
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
    return sorted(subjects, key=lambda s: hashlib.sha256(f"{seed}:{s}".encode(errors="surrogateescape")).digest())
