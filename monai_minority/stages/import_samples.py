"""Samples that another program made, as a sample set like any other."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from monai_minority.data import ImageStore
from monai_minority.run import Stage
from monai_minority.samples import ImportedSamples, write_samples


@dataclass(kw_only=True)
class ImportSamples(Stage):
    """Write the images of an archive or folder into ``samples/``."""

    sample_set: str
    method: str  # who made them
    source: ImportedSamples
    store: ImageStore  # whose geometry the samples have

    config = "import_samples"
    columns = ()

    @property
    def name(self) -> str:  # type: ignore[override]
        return f"samples/{self.sample_set}"

    @property
    def leaves(self) -> Sequence[Path]:
        return [self.folder.samples(self.sample_set)]

    def work(self) -> None:
        path = self.folder.samples(self.sample_set)
        write_samples(self.source, self.source.plan, path, 0.0, {"method": self.method}, self.store.geometry)
