"""Feature spaces side by side: which of them tells the known groups of a run apart."""

import os
from collections.abc import Sequence
from pathlib import Path

import pandas as pd
from torch import nn

from monai_minority.data import ImageStore
from monai_minority.evaluation.features import describe_extractor, extract
from monai_minority.evaluation.figure import library_versions
from monai_minority.evaluation.groups import normal_groups, separation
from monai_minority.files import write_csv
from monai_minority.keys import Column, Split
from monai_minority.tables.settings import MeasureSettings


def judge_feature_spaces(
    store: ImageStore,
    extractors: Sequence[nn.Module],
    path: str | os.PathLike[str],
    *,
    bank_splits: Sequence[str],
    query_split: str,
    k: int = 20,
    feature_dir: str | Path | None = None,
    measures: MeasureSettings | None = None,
) -> pd.DataFrame:
    """Separation of the groups in every feature space, as a table that says how each figure was made.

    Args:
        store: real images with a ``group`` in their table.
        extractors: the feature spaces, one in use at a time.
        path: CSV file of the table.
        bank_splits: splits whose groups are taken as known.
        query_split: split whose groups are to be found.
        k: neighbours that vote.
        feature_dir: folder of cached features.
        measures: ``normal_group``, and how features and intervals are made; ``None``: the defaults.

    Returns:
        Two rows a space, see :func:`~monai_minority.evaluation.groups.separation`.

    Raises:
        ValueError: the store has no groups, ``normal_group`` is not among them, or a split is empty or among both.
    """
    table, settings = store.table, measures or MeasureSettings()
    if Column.GROUP not in table or table[Column.GROUP].isna().all():
        raise ValueError(
            f"store {store.path} has no column {Column.GROUP.value!r}; without groups nothing can be judged"
        )
    if query_split in bank_splits:
        raise ValueError(f"query_split must not be one of the bank's ({', '.join(bank_splits)}), got {query_split}")
    known = table[Column.GROUP].notna()
    bank = (table[Column.SPLIT].isin(list(bank_splits)) & known).to_numpy()
    query = ((table[Column.SPLIT] == query_split) & known).to_numpy()
    if not bank.any() or not query.any():
        raise ValueError(
            f"bank_splits and query_split must have images with a group, got {bank.sum()} and {query.sum()}"
        )
    groups = table[Column.GROUP].astype(str).to_numpy()
    normal = normal_groups(table[Column.GROUP], table[Column.SPLIT] == Split.TRAIN, settings.normal_group)
    rows = []
    for extractor in extractors:
        features = extract(store, extractor, feature_dir, settings.batch_size, settings.device, settings.progress)
        figures = separation(
            features[bank],
            groups[bank],
            features[query],
            groups[query],
            normal=normal,
            query_subjects=table[Column.SUBJECT].to_numpy()[query],
            k=k,
            resamples=settings.resamples,
            seed=settings.seed,
        )
        labels = describe_extractor(extractor) | {"dimension": features.shape[1], "bank": "+".join(bank_splits)}
        rows += [figure.row() | labels | {"query": query_split} | library_versions() for figure in figures]
    result = pd.DataFrame(rows)
    write_csv(result, path)
    return result
