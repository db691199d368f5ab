"""Known groups of images: which groups are normal, and how well a feature space separates them."""

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
"""Temperature of the votes, as in Wu et al. (2018) and Caron et al. (2021)."""


def normal_groups(
    groups: Sequence[str] | np.ndarray | pd.Series,
    learned: Sequence[bool] | np.ndarray | pd.Series | None = None,
    normal: str | Sequence[str] | None = None,
) -> list[str]:
    """Groups that all others are compared with: the named ones, or the most common among the training images.

    Args:
        groups: group of each image ``[N]``; missing values (``None``, NaN) are left out.
        learned: whether each image is a training image ``[N]``, bool; ``None`` counts all images, and so do training
            images without groups.
        normal: the group, or several groups that are normal together; ``None`` takes the most common group, and the
            first in the alphabet of equally common ones.

    Raises:
        ValueError: no image has a group of that name, or there are no groups.

    >>> normal_groups(["ill", "well", "well", "ill", "ill"], learned=[True, True, True, False, False])
    ['well']
    >>> normal_groups(["ill", "mild", "well"], normal=["well", "mild"])
    ['well', 'mild']
    """
    known = pd.Series(np.asarray(groups, dtype=object)).dropna()
    if known.empty:
        raise ValueError("groups must name a group for some image, got none; add labels to the cohort")
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
    """Name of the normal groups in figures: the group's name if there is one group, else their number.

    >>> called(["well"]), called(["well", "mild"])
    ('well', '2 normal groups')
    """
    return str(names[0]) if len(names) == 1 else f"{len(names)} normal groups"


def group_shares(
    bank: np.ndarray, groups: np.ndarray, query: np.ndarray, k: int = 20, temperature: float = TEMPERATURE
) -> tuple[np.ndarray, np.ndarray]:
    """Share of the votes of a query's nearest neighbours, by cosine similarity, that each group gets.

    A neighbour with similarity ``s`` votes for its group with weight ``exp(s / temperature)`` (Wu et al., 2018). The
    weight is divided by the size of the group in the bank, because a rare group would otherwise almost never win.

    Args:
        bank: features ``[N, D]`` with known groups.
        groups: group of each row of the bank ``[N]``.
        query: features ``[Q, D]``.
        k: number of neighbours that vote.
        temperature: temperature of the votes.

    Returns:
        The groups in order ``[G]``, and their shares ``[Q, G]``, whose rows sum to 1.

    Raises:
        ValueError: the shapes do not fit, or the bank has at most ``k`` images.
    """
    if len(bank) != len(groups):
        raise ValueError(f"groups must be [N], one for each image of the bank, got {len(groups)} for {len(bank)}")
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
    seed: int = 0,
) -> list[Figure]:
    """How well the neighbours in a bank predict the groups of queries.

    Args:
        bank: features ``[N, D]``.
        bank_groups: group of each row of the bank ``[N]``.
        query: features ``[Q, D]`` of images that are not in the bank.
        query_groups: group of each query ``[Q]``.
        normal: the group that all others are compared with, or several groups that are normal together.
        query_subjects: subject of each query; the intervals then resample subjects instead of images.
        k: number of neighbours that vote.
        resamples: number of bootstrap resamples; 0 leaves the 95 % intervals out.
        seed: seed of the bootstrap.

    Returns:
        Balanced accuracy (mean recall of the groups; chance is 1 over their number), and the area under the ROC curve
        for the share of votes against ``normal`` (chance is 0.5).

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
        raise ValueError(f"query_groups must be [Q], one for each query, got {len(query_groups)} for {len(query)}")
    context = {"k": k, "N bank": len(bank), "N": len(query)}
    recall = weighted_mean_recall(query_groups.astype(str), names[shares.argmax(1)].astype(str))
    clusters = np.arange(len(query)) if query_subjects is None else query_subjects
    interval = bootstrap(recall, clusters, resamples, seed=seed, groups=query_groups.astype(str))
    accuracy = Figure("k-NN balanced accuracy", float(recall(np.ones((1, len(query))))[0]), *interval, context)
    abnormal = 1 - shares[:, np.isin(names, usual)].sum(axis=1)
    auc = group_auc(
        abnormal,
        ~np.isin(query_groups, usual),
        name=f"k-NN AUC, others against {called(usual)}",
        subjects=query_subjects,
        resamples=resamples,
        seed=seed,
    )
    auc = replace(auc, context={**context, **auc.context})
    return [replace(accuracy, context={**auc.context, **context}), auc]


def _unit(features: np.ndarray) -> torch.Tensor:
    return functional.normalize(torch.as_tensor(np.array(features, dtype=np.float32)), dim=1)
