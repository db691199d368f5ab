"""Features that all processes of a distributed run compute together, before the first one measures."""

import shutil
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from torch import nn

from monai_minority.data import ImageStore
from monai_minority.evaluation.features.extract import extract, feature_path
from monai_minority.files.seals import begin_log
from monai_minority.run import barrier, is_main
from monai_minority.run.distributed import rank_and_size
from monai_minority.tables import MeasureSettings


def share_features(
    stores: Iterable[ImageStore], extractors: Sequence[nn.Module], folder: Path, measures: MeasureSettings
) -> None:
    """Fill a cache of features, each process a part of every store; a single process leaves that to who reads them."""
    rank, processes = rank_and_size()
    if processes == 1:
        return
    parts = folder / "parts"
    wanted = [
        (extractor, store, [store.subset(np.isin(np.arange(len(store)), rows)) for rows in split if len(rows)])
        for extractor in extractors
        for store in stores
        for split in [np.array_split(np.arange(len(store)), processes)]
        if not feature_path(store, extractor, folder).is_file()
    ]
    if is_main():
        parts.mkdir(parents=True, exist_ok=True)
        begin_log(parts)
    barrier()
    for extractor, _, pieces in wanted:
        for piece in pieces[rank::processes]:
            extract(piece, extractor, parts, measures.batch_size, measures.device, progress=is_main())
    barrier()
    if is_main():
        for extractor, store, pieces in wanted:
            extract(store, extractor, folder, measures.batch_size, measures.device, parts=pieces)
        shutil.rmtree(parts)
    barrier()
