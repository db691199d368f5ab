"""What judges severity in a run: a measure in the pixels, and where groups are known a judge trained on them."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from monai_minority.evaluation.agreement import group_auc
from monai_minority.evaluation.figure import Figure
from monai_minority.evaluation.groups import normal_groups
from monai_minority.evaluation.label_judge import LEAST_SUBJECTS, fit_label_judge
from monai_minority.keys import Column, Split
from monai_minority.tables.images import GeneratedImages, RealImages
from monai_minority.tables.measures import SEVERITY_MEASURE
from monai_minority.tables.settings import MeasureSettings

LABEL_JUDGE = "label judge"
LEAST_AUC = 0.7
"""A judge whose interval of the AUC reaches below is not asked."""


class KnownGroups(NamedTuple):
    """Which real images are of a normal group and which of another one ``[N]``, bool; neither where it is not known."""

    normal: np.ndarray
    rare: np.ndarray


@dataclass(frozen=True)
class Judge:
    """Severity of every image by one judge, higher is worse.

    Attributes:
        name: the measure's, or :data:`LABEL_JUDGE`.
        real: of the real images ``[N]``; NaN where it could not be measured.
        generated: of the generated images ``[M]``.
        auc: how well it tells rare from normal images never trained on; ``None`` where there are not both.
        space: what :func:`~monai_minority.evaluation.features.describe_extractor` says of its features.
    """

    name: str
    real: np.ndarray
    generated: np.ndarray
    auc: Figure | None
    space: Mapping[str, str]


class Space(NamedTuple):
    """Feature vectors of all images of a run."""

    description: Mapping[str, str]
    real: np.ndarray
    generated: np.ndarray


NO_SPACE = dict.fromkeys(("extractor", "resizing", "normalisation", "weights_sha256"), "none")


def known_groups(real: RealImages, settings: MeasureSettings) -> KnownGroups | None:
    """The normal real images and the others, or ``None`` where no groups are known or there is one alone.

    Raises:
        ValueError: ``normal_group`` is no group of the table.
    """
    group = real.table.get(Column.GROUP)
    if group is None or not group.notna().any():
        return None
    names = normal_groups(group, real.table[Column.SPLIT] == Split.TRAIN, settings.normal_group)
    normal = group.isin(names).to_numpy()
    rare = group.notna().to_numpy() & ~normal
    return KnownGroups(normal, rare) if rare.any() else None


def judges_of(
    real: RealImages,
    generated: GeneratedImages,
    spaces: list[Space],
    settings: MeasureSettings,
    measure: str | None = None,
) -> tuple[list[Judge], dict[str, Any]]:
    """The judges of a run that can be trusted.

    Args:
        real: real images measured.
        generated: generated images measured.
        spaces: feature vectors that a label judge can be trained on.
        settings: ``held_out``, ``normal_group``, the bootstrap and the seed.
        measure: name of the severity that is measured in the pixels, ``None`` for none.

    Returns:
        The judges, that of the pixels first, and what ``context.json`` says of the label judge: its ``space``,
        ``strength`` and ``cross_fitted_auc``, and its ``auc`` on images never trained on; or why it was ``refused``.

    Raises:
        ValueError: ``normal_group`` is no group of the table.
    """
    groups, found = known_groups(real, settings), []
    if measure is not None and SEVERITY_MEASURE in real.table:
        values = real.table[SEVERITY_MEASURE].to_numpy(dtype=np.float64)
        made = generated.table[SEVERITY_MEASURE].to_numpy(dtype=np.float64)
        if not np.isnan(values).all():
            found.append(Judge(measure, values, made, _held_out_auc(values, real, groups, settings), NO_SPACE))
    if groups is None:
        return found, {"refused": "no groups of the real images are known"}
    if not spaces:
        return found, {"refused": "there are no features to train it on"}
    judge, said = _label_judge(real, generated, spaces, groups, settings)
    return found + ([] if judge is None else [judge]), said


def _label_judge(
    real: RealImages, generated: GeneratedImages, spaces: list[Space], groups: KnownGroups, settings: MeasureSettings
) -> tuple[Judge | None, dict[str, Any]]:
    learned = real.training[(groups.normal | groups.rare)[real.training]]
    people = [len(np.unique(real.subjects[learned][group[learned]])) for group in groups]
    if min(people) < LEAST_SUBJECTS:
        return None, {
            "refused": f"{people[1]} subjects of the rare group and {people[0]} others are in training, and at least "
            f"{LEAST_SUBJECTS} of each are needed"
        }
    by_name = {space.description["extractor"]: space for space in spaces}
    judge = fit_label_judge(
        {name: space.real[learned] for name, space in by_name.items()},
        groups.rare[learned],
        real.subjects[learned],
        seed=settings.seed,
    )
    space = by_name[judge.space]
    values = judge(space.real, real.subjects)
    values[learned] = judge.logits
    crossed = _auc(values, learned, real, groups, settings)
    auc = _held_out_auc(values, real, groups, settings)
    said = {
        "space": judge.space,
        "strength": judge.strength,
        "cross_fitted_auc": _said(crossed),
        "auc": None if auc is None else _said(auc),
    }
    if auc is None:
        return None, said | {"refused": "no images of both the rare and a normal group were never trained on"}
    if math.isnan(auc.low) and min(_held_out_subjects(real, groups, settings)) < LEAST_SUBJECTS:
        rare, normal = _held_out_subjects(real, groups, settings)
        return None, said | {
            "refused": f"{rare} subjects of the rare group and {normal} others were never trained on, and at least "
            f"{LEAST_SUBJECTS} of each are needed to know its AUC"
        }
    worst = min((auc, crossed), key=_bound)
    if not _bound(worst) >= LEAST_AUC:
        where = "images never trained on" if worst is auc else "cross-fitted training images"
        return None, said | {
            "refused": f"its AUC is {_shown(worst)} on {where}, where the lower end must be at least {LEAST_AUC}"
        }
    made = judge(space.generated, generated.table[Column.SEED].to_numpy())
    return Judge(LABEL_JUDGE, values, made, auc, space.description), said


def _held_out_auc(
    values: np.ndarray, real: RealImages, groups: KnownGroups | None, settings: MeasureSettings
) -> Figure | None:
    if groups is None:
        return None
    apart = settings.is_held_out(real.table) & (groups.normal | groups.rare)
    rows = np.flatnonzero(apart & ~np.isnan(values))
    if len(rows) < 3 or not groups.rare[rows].any() or groups.rare[rows].all():
        return None
    return _auc(values, rows, real, groups, settings)


def _held_out_subjects(real: RealImages, groups: KnownGroups, settings: MeasureSettings) -> tuple[int, int]:
    """How many subjects of the rare group and of the others were never trained on."""
    apart = settings.is_held_out(real.table)
    rare, normal = (len(np.unique(real.subjects[apart & group])) for group in (groups.rare, groups.normal))
    return rare, normal


def _auc(
    values: np.ndarray, rows: np.ndarray, real: RealImages, groups: KnownGroups, settings: MeasureSettings
) -> Figure:
    return group_auc(
        values[rows], groups.rare[rows], subjects=real.subjects[rows], resamples=settings.resamples, seed=settings.seed
    )


def _bound(auc: Figure) -> float:
    """The lower end; of enough subjects an AUC has none where every resample agrees with it."""
    return auc.value if np.isnan(auc.low) else auc.low


def _said(auc: Figure) -> list[float | None]:
    return [None if np.isnan(end) else round(end, 4) for end in (auc.value, auc.low, auc.high)]


def _shown(auc: Figure) -> str:
    return f"{auc.value:.2f}" + ("" if np.isnan(auc.low) else f" [{auc.low:.2f}, {auc.high:.2f}]")
