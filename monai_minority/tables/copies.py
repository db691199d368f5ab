"""The memorization stage: suspected copies among a run's samples, and the samples without them."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import binomtest
from torch import nn

from monai_minority.data.store.copy import copy_store
from monai_minority.data.store.image_store import ImageStore
from monai_minority.evaluation.copies import SPACES, CopyDetector
from monai_minority.evaluation.features import describe
from monai_minority.evaluation.figure import library_versions
from monai_minority.evaluation.planted_copies import planted_copies
from monai_minority.evaluation.provenance import DENSITY, with_provenance
from monai_minority.files import whole_file

UNSEEN = "real, never trained on"
SHARES = ("suspected_copy", "nearer_than_any", *(f"{space}_authentic" for space in SPACES))


def measure_copies(
    store: ImageStore,
    samples: Mapping[str, ImageStore],
    extractor: nn.Module,
    output_dir: str | Path,
    planted: int = 50,
    seed: int = 0,
    **options: Any,
) -> pd.DataFrame:
    """Look for copies in every sample set, and among real images never trained on as a control.

    Args:
        store: real images with ``split`` and ``subject``.
        samples: stores of generated images by name.
        extractor: feature space.
        output_dir: gets ``copies.csv``, a row an image: ``set`` and the columns of
            :meth:`~monai_minority.evaluation.copies.CopyDetector.table`; ``copies_summary.csv``; and
            ``copies_planted.csv``, whether copies would be found, of
            :func:`~monai_minority.evaluation.planted_copies.planted_copies`.
        planted: number of training images to plant.
        seed: of their noise and moves.
        options: of :class:`~monai_minority.evaluation.copies.CopyDetector`.

    Returns:
        The summary, a row a set (:data:`UNSEEN` first, if any): ``n``; of each of :data:`SHARES` the share and its 95 %
        Wilson interval (``_low``, ``_high``); medians of distances and ratios; the detector's thresholds and numbers;
        :data:`~monai_minority.evaluation.provenance.PROVENANCE`, which the other tables have too.

    Raises:
        ValueError: there are too few subjects, or images differ in shape.
    """
    detector = CopyDetector(store, extractor, **options)
    parts = {UNSEEN: detector.table(store, detector.control)} if len(detector.control) else {}
    parts |= {name: detector.table(images) for name, images in samples.items()}
    images = pd.concat([part.assign(set=name) for name, part in parts.items()], ignore_index=True)
    summary = pd.DataFrame([{"set": name, **_summary(part), **detector.context} for name, part in parts.items()])
    context = {
        **describe(extractor),
        "neighbours": 1,  # every figure is about the nearest training image
        "intervals": "95 %: Wilson's",
        "seed": seed,
        "libraries": library_versions(),
    }
    summary = with_provenance(summary, context)
    # The summary last: the stage that has it is done.
    for name, table in (
        ("copies", with_provenance(images, context, DENSITY)),
        ("copies_planted", with_provenance(planted_copies(detector, planted, seed=seed), context)),
        ("copies_summary", summary),
    ):
        with whole_file(Path(output_dir) / f"{name}.csv") as partial:
            table.to_csv(partial, index=False)
    return summary


def drop_copies(samples: ImageStore, copies: str | Path, name: str, path: str | Path) -> ImageStore:
    """Write a sample set without its suspected copies.

    Args:
        samples: the set.
        copies: ``copies.csv`` of :func:`measure_copies`.
        name: of the set in it.
        path: folder of the new store, replaced if it is there.

    Returns:
        The new store; its ``meta`` counts what was dropped.

    Raises:
        ValueError: the set was not measured, or nothing is left of it.
    """
    table = pd.read_csv(copies)
    part = table[table["set"] == name].set_index("row")["suspected_copy"]
    if not np.array_equal(part.index, np.arange(len(samples))):
        raise ValueError(
            f"{copies} has {len(part)} rows of the set {name!r}, which has {len(samples)} images; run the memorization "
            "stage again"
        )
    keep = ~part.to_numpy(bool)
    if not keep.any():
        raise ValueError(f"every image of the set {name!r} is a suspected copy; nothing is left to write")
    counts: dict[str, Any] = {"dropped_suspected_copies": int((~keep).sum()), "images_before": len(samples)}
    return copy_store(samples.subset(keep), path, **counts)


def _summary(part: pd.DataFrame) -> dict[str, float]:
    figures: dict[str, float] = {"n": len(part)}
    for column in SHARES:
        low, high = binomtest(int(part[column].sum()), len(part)).proportion_ci(method="wilson")
        figures |= {column: float(part[column].mean()), f"{column}_low": float(low), f"{column}_high": float(high)}
    for space in SPACES:
        figures |= {f"{space}_{of}_median": float(part[f"{space}_{of}"].median()) for of in ("distance", "ratio")}
    return figures
