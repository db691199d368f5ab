"""The known groups of images: which of them are normal, and whether a feature space tells them apart."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pandas as pd
import torch
from torch.nn import functional

from monai_minority.evaluation.agreement import group_auc
from monai_minority.evaluation.density.neighbours import NeighbourIndex
from monai_minority.evaluation.figure import Figure
from monai_minority.evaluation.intervals import bootstrap
from monai_minority.evaluation.weighted_statistics import weighted_mean_recall

TEMPERATURE = 0.07
"""Of the votes, as in Wu et al. (2018) and Caron et al. (2021)."""


def normal_groups(
    groups: Sequence[str] | np.ndarray | pd.Series,
    learned: Sequence[bool] | np.ndarray | pd.Series | None = None,
    normal: str | Sequence[str] | None = None,
) -> list[str]:
    """The groups that all others are compared with: those named, or the commonest among the images learned from.

    Args:
        groups: group of each image ``[N]``; missing ones (``None``, NaN) are left out.
        learned: which images are learned from ``[N]``, bool; ``None``, or none of them with a group: all of them.
        normal: the group, or several that are normal together; ``None``: the commonest, of equal ones the first in
            the alphabet.

    Raises:
        ValueError: one of them is no group of the images, or there are no groups.

    >>> normal_groups(["ill", "well", "well", "ill", "ill"], learned=[True, True, True, False, False])
    ['well']
    >>> normal_groups(["ill", "mild", "well"], normal=["well", "mild"])
    ['well', 'mild']
    """
    known = pd.Series(np.asarray(groups, dtype=object)).dropna()
    if known.empty:
        raise ValueError("groups must name a group for some image, got none; give the cohort labels")
    if normal is None:
        trained = known if learned is None else known[np.asarray(learned, bool)[known.index]]
        normal = (trained if len(trained) else known).mode()[0]
    names = [normal] if isinstance(normal, str) else list(normal)
    found = sorted(known.unique())
    if not names or not set(names) <= set(found):
        raise ValueError(
            f"normal_group must be among the groups {', '.join(map(str, found))}, got {', '.join(map(str, names))}"
        )
    return names


def called(names: Sequence[str]) -> str:
    """Normal groups as figures name them: by its name where it is one.

    >>> called(["well"]), called(["well", "mild"])
    ('well', '2 normal groups')
    """
    return str(names[0]) if len(names) == 1 else f"{len(names)} normal groups"


def group_shares(
    bank: np.ndarray, groups: np.ndarray, query: np.ndarray, k: int = 20, temperature: float = TEMPERATURE
) -> tuple[np.ndarray, np.ndarray]:
    """Each group's share of the votes of a query's nearest neighbours by cosine.

    A neighbour of cosine ``s`` votes for its group with weight ``exp(s / temperature)`` (Wu et al., 2018) over the
    group's size in the bank, without which a rare group would hardly ever win.

    Args:
        bank: features ``[N, D]`` whose groups are known.
        groups: group of each ``[N]``.
        query: features ``[Q, D]``.
        k: neighbours that vote.
        temperature: of the votes.

    Returns:
        The groups in order ``[G]``, and their shares ``[Q, G]``, whose rows sum to 1.

    Raises:
        ValueError: the shapes do not fit, or the bank has no more than ``k`` images.
    """
    if len(bank) != len(groups):
        raise ValueError(f"groups must be [N], one an image of the bank, got {len(groups)} for {len(bank)}")
    names, members, sizes = np.unique(groups, return_inverse=True, return_counts=True)
    index = NeighbourIndex(_unit(bank), k=k, ball=0)
    found = index.neighbours(_unit(query), k)
    # On the unit sphere the cosine is 1 - d^2 / 2; the factor exp(1 / temperature) cancels in the shares.
    votes = np.exp(-found.squared / (2 * temperature)) / sizes[members[found.indices]]
    shares = np.zeros((len(query), len(names)))
    np.add.at(shares, (np.arange(len(query))[:, None], members[found.indices]), votes)
    return names, shares / shares.sum(1, keepdims=True)


def separation(
    bank: np.ndarray,
    bank_groups: np.ndarray,
    query: np.ndarray,
    query_groups: np.ndarray,
    *,
    normal: str | Sequence[str],
    query_subjects: np.ndarray | None = None,
    k: int = 20,
    resamples: int = 1000,
    level: float = 0.95,
    seed: int = 0,
) -> list[Figure]:
    """How well neighbours in a bank tell the groups of queries.

    Args:
        bank: features ``[N, D]``.
        bank_groups: their groups ``[N]``.
        query: features ``[Q, D]`` of images that the bank does not hold.
        query_groups: their groups ``[Q]``.
        normal: the group that all others are compared with, or several that are normal together.
        query_subjects: subject of each query; given, the intervals resample subjects.
        k: neighbours that vote.
        resamples: of the bootstrap; 0 leaves the intervals out.
        level: of the intervals.
        seed: of the bootstrap.

    Returns:
        Balanced accuracy (mean recall of the groups; chance is 1 over their number), and the area under the ROC curve
        of the share of votes against ``normal`` (chance is 0.5).

    Raises:
        ValueError: ``normal`` is not among the groups of the bank, or the shapes do not fit.
    """
    names, shares = group_shares(bank, bank_groups, query, k)
    usual = [normal] if isinstance(normal, str) else list(normal)
    if not set(usual) <= set(names):
        raise ValueError(
            f"normal must be among the groups of the bank ({', '.join(map(str, names))}), got {', '.join(usual)}"
        )
    if len(query) != len(query_groups):
        raise ValueError(f"query_groups must be [Q], one a query, got {len(query_groups)} for {len(query)}")
    context = {"k": k, "N bank": len(bank), "N": len(query)}
    recall = weighted_mean_recall(query_groups.astype(str), names[shares.argmax(1)].astype(str))
    clusters = np.arange(len(query)) if query_subjects is None else query_subjects
    interval = bootstrap(recall, clusters, resamples, level, seed, groups=query_groups.astype(str))
    accuracy = Figure("k-NN balanced accuracy", float(recall(np.ones((1, len(query))))[0]), *interval, context)
    abnormal = 1 - shares[:, np.isin(names, usual)].sum(axis=1)
    auc = group_auc(
        abnormal,
        ~np.isin(query_groups, usual),
        name=f"k-NN AUC, others against {called(usual)}",
        subjects=query_subjects,
        resamples=resamples,
        level=level,
        seed=seed,
    )
    auc = replace(auc, context={**context, **auc.context})
    return [replace(accuracy, context={**auc.context, **context}), auc]


def _unit(features: np.ndarray) -> torch.Tensor:
    return functional.normalize(torch.as_tensor(np.array(features, dtype=np.float32)), dim=1)
