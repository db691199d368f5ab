"""The memorization stage: suspected copies among a run's samples, and the samples without them."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from torch import nn

from monai_minority.data.store.copy import copy_store
from monai_minority.data.store.image_store import ImageStore
from monai_minority.evaluation.copies import SPACES, CopyDetector
from monai_minority.evaluation.features import describe_extractor
from monai_minority.evaluation.figure import library_versions
from monai_minority.evaluation.planted_copies import planted_copies
from monai_minority.files import read_csv, write_csv
from monai_minority.keys import Column
from monai_minority.tables.provenance import DENSITY, with_provenance
from monai_minority.tables.rows import UNSEEN, share
from monai_minority.tables.settings import MeasureSettings

SHARES = ("suspected_copy", "nearer_than_any", *(f"{space}_authentic" for space in SPACES))


def measure_copies(
    store: ImageStore,
    samples: Mapping[str, ImageStore],
    extractor: nn.Module,
    output_dir: str | Path,
    planted: int = 50,
    measures: MeasureSettings | None = None,
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
        measures: ``batch_size``, ``progress`` and the ``seed`` of their noise and moves; ``None``: the defaults.
        options: further ones of :class:`~monai_minority.evaluation.copies.CopyDetector`.

    Returns:
        The summary, a row a set (:data:`~monai_minority.tables.rows.UNSEEN` first, if any): ``n``; of each of
        :data:`SHARES` the share and its 95 % Wilson interval (``_low``, ``_high``), which knows subjects and seeds;
        medians of distances and ratios; the detector's thresholds and numbers;
        :data:`~monai_minority.tables.provenance.PROVENANCE`, which the other tables have too.

    Raises:
        ValueError: there are too few subjects, or images differ in shape.
    """
    settings = measures or MeasureSettings()
    detector = CopyDetector(store, extractor, batch_size=settings.batch_size, progress=settings.progress, **options)
    parts = {UNSEEN: detector.table(store, detector.control)} if len(detector.control) else {}
    parts |= {name: detector.table(images) for name, images in samples.items()}
    images = pd.concat([part.assign(set=name) for name, part in parts.items()], ignore_index=True)
    clusters = {UNSEEN: detector.subjects[detector.control]} | {name: _seeds(made) for name, made in samples.items()}
    summary = pd.DataFrame(
        [{"set": name, **_summary(part, clusters[name]), **detector.context} for name, part in parts.items()]
    )
    context = {
        **describe_extractor(extractor),
        "neighbours": 1,  # every figure is about the nearest training image
        "intervals": "95 %: Wilson's, of subjects and seeds",
        "seed": settings.seed,
        "libraries": library_versions(),
    }
    summary = with_provenance(summary, context)
    # The summary last: the stage that has it is done.
    for name, table in (
        ("copies", with_provenance(images, context, DENSITY)),
        ("copies_planted", with_provenance(planted_copies(detector, planted, seed=settings.seed), context)),
        ("copies_summary", summary),
    ):
        write_csv(table, Path(output_dir) / f"{name}.csv")
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

    Example:
        >>> import tempfile
        >>> import numpy as np
        >>> import pandas as pd
        >>> from monai_minority.data import ImageStore
        >>> from monai_minority.tables import drop_copies
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     pixels = np.zeros((3, 1, 2, 2), np.uint8)
        ...     samples = ImageStore.create(f"{folder}/rare", pixels, {"seed": [4, 5, 6]}, (0, 255), synthetic=True)
        ...     judged = pd.DataFrame({"set": "rare", "row": [0, 1, 2], "suspected_copy": [False, True, False]})
        ...     judged.to_csv(f"{folder}/copies.csv", index=False)
        ...     kept = drop_copies(samples, f"{folder}/copies.csv", "rare", f"{folder}/rare_new")
        ...     kept.table["seed"].tolist(), kept.meta["dropped_suspected_copies"]
        ([4, 6], 1)
    """
    table = read_csv(copies)
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


def _seeds(samples: ImageStore) -> np.ndarray:
    """Seed of each image, or its number where the set has none."""
    return samples.table[Column.SEED].to_numpy() if Column.SEED in samples.table else np.arange(len(samples))


def _summary(part: pd.DataFrame, clusters: np.ndarray) -> dict[str, float]:
    figures: dict[str, float] = {"n": len(part)}
    for column in SHARES:
        figures |= share(column, part[column].to_numpy(), clusters)
    for space in SPACES:
        figures |= {f"{space}_{of}_median": float(part[f"{space}_{of}"].median()) for of in ("distance", "ratio")}
    return figures
