"""The utility stage: a run's samples as additional training images for a classifier of its rare group."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from monai_minority.data.store.image_store import ImageStore, evenly
from monai_minority.evaluation.figure import library_versions
from monai_minority.evaluation.groups import normal_groups
from monai_minority.evaluation.training_arms import LabelledImages
from monai_minority.evaluation.utility import SEEDS, augmentation_gain
from monai_minority.files import write_csv
from monai_minority.keys import Column, Split
from monai_minority.tables.provenance import NO_EXTRACTOR, with_provenance
from monai_minority.tables.settings import MeasureSettings


def measure_utility(
    store: ImageStore,
    samples: Mapping[str, ImageStore],
    output_path: str | Path,
    *,
    measures: MeasureSettings | None = None,
    **options: Any,
) -> pd.DataFrame:
    """Run :func:`~monai_minority.evaluation.utility.augmentation_gain` on a run's stores and write its table.

    Images of the split ``train`` are learned from and those of ``test`` are judged. Of each sample set the images of
    its highest target class are taken, or all where it was not guided; the sets are cut to the size of the smallest, so
    that none helps by its number.

    With ``sizes`` the classifiers know some of the rare subjects, but the images were sampled from a backbone that has
    learned from all of them. The table says so in its column ``backbone``: a gain at a small size is what a generator
    with more rare subjects gives, not what one would give that has only these.

    Args:
        store: real images with the columns ``split``, ``subject`` and ``group``.
        samples: stores of generated images by name.
        output_path: of the table, a CSV.
        measures: ``normal_group``, which is not rare, ``resamples`` and ``progress``; ``None``: the defaults.
        options: further ones of ``augmentation_gain``, such as ``amounts``, ``sizes`` and ``finished``.

    Returns:
        The table as written: that of ``augmentation_gain``, with ``generated_a_set``, the images that the smallest set
        has, ``backbone``, what it learned from, and how it was measured.

    Raises:
        ValueError: the store has no groups, or ``normal_group`` is none of them.
    """
    table, settings = store.table, measures or MeasureSettings()
    if Column.GROUP not in table or table[Column.GROUP].isna().any():
        raise ValueError("store must have a group for every image, such as normal and atrophy; give the cohort labels")
    groups = table[Column.GROUP]
    in_train = (table[Column.SPLIT] == Split.TRAIN).to_numpy()
    normal = normal_groups(groups, in_train, settings.normal_group)

    def part(mask: np.ndarray) -> LabelledImages:
        chosen = table[mask]
        rare = ~chosen[Column.GROUP].isin(normal).to_numpy()
        return LabelledImages(store.batch(np.flatnonzero(mask)), rare, chosen[Column.SUBJECT].to_numpy())

    targets = {name: generated.table[Column.TARGET_CLASS].to_numpy() for name, generated in samples.items()}
    rows = {name: np.flatnonzero(target == target.max()) for name, target in targets.items()}
    size = min(map(len, rows.values()), default=0)
    learned = part(in_train)
    result = augmentation_gain(
        learned,
        part((table[Column.SPLIT] == Split.TEST).to_numpy()),
        {name: samples[name].batch(chosen[evenly(len(chosen), size)]) for name, chosen in rows.items()},
        resamples=settings.resamples,
        progress=settings.progress,
        **options,
    )
    result.insert(result.columns.get_loc("test_others") + 1, "generated_a_set", size)  # to the other numbers of images
    everyone = len(np.unique(learned.subjects[learned.rare]))
    result["backbone"] = f"learned from the rare images of all {everyone} subjects, at every size"
    context = NO_EXTRACTOR | {
        "intervals": f"95 %: bootstrap over subjects and seeds, {settings.resamples} resamples, seed 0",
        "seed": ", ".join(map(str, options.get("seeds", SEEDS))),
        "libraries": library_versions(),
    }
    result = with_provenance(result, context)
    write_csv(result, output_path)
    return result
