"""The same comparison in several feature spaces, for a finding of one space alone is a finding about that space."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from monai_minority.keys import Column
from monai_minority.tables.fidelity import SeenBy
from monai_minority.tables.images import Pictures, place_generated, real_table
from monai_minority.tables.measures import DENSITIES
from monai_minority.tables.settings import MeasureSettings
from monai_minority.tables.summary import summary_table

_FIGURES = ("above_p90", "frechet", "kernel", "precision", "recall", "rarity_valid")


def space_table(
    summary: pd.DataFrame,
    description: Mapping[str, str],
    real: Pictures,
    generated: pd.DataFrame,
    spaces: Sequence[SeenBy],
    settings: MeasureSettings,
) -> pd.DataFrame:
    """Density and fidelity of each set and class in each feature space. The most unique real images are
    chosen in each space anew.

    Args:
        summary: the summary in the main space.
        description: of the main space, as :func:`~monai_minority.evaluation.features.describe_extractor` gives it.
        real: real images; their features are not used.
        generated: table of the generated images.
        spaces: features in each further space; those that are maps are passed over, for they have a spatial
            Fréchet distance alone.
        settings: of the measures; detectors are left out.

    Returns:
        Rows as in the summary, those of generated images and of real training images alone, with the
        space's ``extractor``, ``resizing``, ``normalisation`` and ``weights_sha256``.
    """
    parts, without = [_rows(summary, description)], replace(settings, detectors={})
    for space in spaces:
        if space.real.ndim != 2:
            continue
        there = real_table(Pictures(real.store, space.real), without)
        columns = ["set", "row", Column.SEED.value, Column.TARGET_CLASS.value, Column.SCALE.value]
        placed = place_generated(generated[columns], there, np.concatenate(list(space.generated.values())))
        parts.append(_rows(summary_table(there, placed, without)[0], space.description))
    return pd.concat(parts, ignore_index=True)


def _rows(summary: pd.DataFrame, description: Mapping[str, str]) -> pd.DataFrame:
    compared = summary[summary["frechet_distance"].notna()]
    fixed = ["set", "target_class", Column.SCALE.value, "n"]
    kept = fixed + [column for column in summary if column.startswith((*DENSITIES, *_FIGURES))]
    table = compared[kept].reset_index(drop=True)
    return pd.concat([pd.DataFrame([dict(description)] * len(table)), table], axis=1)
