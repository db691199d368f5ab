"""What the groups of the nearest real images say of generated ones: does guidance make the rare group?"""

from typing import Any

import numpy as np
import pandas as pd

from monai_minority.evaluation.groups import group_shares, normal_groups
from monai_minority.keys import Column, Split
from monai_minority.tables.images import GeneratedImages, RealImages
from monai_minority.tables.rows import ALL, UNSEEN, generated_rows, labels, share, with_ends
from monai_minority.tables.settings import MeasureSettings

VOTERS = 20
"""Nearest training images that vote; as in Caron et al. (2021)."""

RARE, NORMAL = "rare", "normal"
TAKEN = "taken_for_rare"
COLUMNS = ["set", "target_class", Column.SCALE.value, "n", "known", "rare_votes", *with_ends(TAKEN)]


def group_table(real: RealImages, generated: GeneratedImages, settings: MeasureSettings) -> pd.DataFrame:
    """How many generated images the nearest training images of a known group take for the rare groups.

    The votes are those of :func:`~monai_minority.evaluation.groups.group_shares`; an image is taken for rare where
    the groups other than the normal ones have more than half of them. How far that can be trusted the real images that
    were never trained on show, whose groups are known.

    Returns:
        One row a set and target class, and before them one of rare and one of normal real images: ``set``,
        ``target_class``, ``guidance_scale``, ``n``, ``known`` (:data:`RARE` or :data:`NORMAL`, of real images),
        ``rare_votes`` (mean share of the votes) and ``taken_for_rare`` (share of the images) with its Wilson interval
        ``_low`` to ``_high``, which knows subjects and seeds. No rows where there are no groups, or fewer training
        images than voters.

    Raises:
        ValueError: ``normal_group`` is no group of the table.
    """
    group = real.table.get(Column.GROUP)
    if group is None or not group.notna().any():
        return pd.DataFrame(columns=list(COLUMNS))
    names = normal_groups(group, real.table[Column.SPLIT] == Split.TRAIN, settings.normal_group)
    bank = real.training[group.iloc[real.training].notna().to_numpy()]
    if len(bank) <= VOTERS:
        return pd.DataFrame(columns=list(COLUMNS))

    def votes(features: np.ndarray) -> np.ndarray:
        groups, shares = group_shares(real.features[bank], group.iloc[bank].astype(str).to_numpy(), features, VOTERS)
        return shares[:, ~np.isin(groups, [str(name) for name in names])].sum(axis=1)

    def row(head: dict[str, Any], known: str, part: np.ndarray, clusters: np.ndarray) -> dict[str, Any]:
        return {**head, "known": known, "rare_votes": float(part.mean()), **share(TAKEN, part > 0.5, clusters)}

    rows = []
    apart = np.flatnonzero(settings.is_held_out(real.table) & group.notna())
    usual = group.iloc[apart].isin(names).to_numpy()
    for known, chosen in ((RARE, apart[~usual]), (NORMAL, apart[usual])):
        if len(chosen):
            head = labels(UNSEEN, ALL, float("nan"), len(chosen))
            rows.append(row(head, known, votes(real.features[chosen]), real.subjects[chosen]))
    found = votes(generated.features)
    rows += [row(made.labels, "", found[made.rows], made.clusters) for made in generated_rows(generated)]
    return pd.DataFrame(rows, columns=list(COLUMNS))
