"""A sample set, and the scores of the real images, for other programs."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from monai_minority.data import ImageStore
from monai_minority.run import Stage, content
from monai_minority.samples import export_bids, export_samples
from monai_minority.tables.membership import few_rare_subjects, rarest_subjects

logger = logging.getLogger(__name__)


@dataclass(kw_only=True)
class Export(Stage):
    """Write a sample set as PNG pictures, NIfTI files and DICOM series into ``exports/``."""

    samples: ImageStore
    sample_set: str
    formats: Sequence[str]
    least_rare_subjects: int

    config = "export"

    @property
    def name(self) -> str:  # type: ignore[override]
        return f"exports/{self.sample_set}"

    @cached_property
    def contents(self) -> dict[str, Any]:
        return {**super().contents, "made": content.of_path(self.samples.path / "store.json")}

    @property
    def leaves(self) -> Sequence[Path]:
        return [self.folder.exports(self.sample_set)]

    def work(self) -> None:
        if (self.folder.store / "store.json").is_file():
            count = rarest_subjects(ImageStore.open(self.folder.store).table)
            if warning := few_rare_subjects(count, self.least_rare_subjects):
                logger.warning(warning)
        export_samples(self.samples, self.folder.exports(self.sample_set), self.formats)


@dataclass(kw_only=True)
class ExportScores(Stage):
    """Write the slices of the real images and their scores as a BIDS derivative into ``exports/bids/``."""

    store: ImageStore
    suffix: str  # of BIDS

    name = "exports/bids"
    columns = None

    @property
    def leaves(self) -> Sequence[Path]:
        return [self.folder.exports("bids")]

    def work(self) -> None:
        export_bids(self.store, self.folder.exports("bids"), self.suffix)
