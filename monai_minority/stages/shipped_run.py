"""A run that came with a bundle, from its scored images on."""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from monai_minority.data import ImageStore
from monai_minority.data.store.copy import append_store, copy_store
from monai_minority.files import read_csv, whole_file
from monai_minority.keys import Column, Split
from monai_minority.run import Stage
from monai_minority.scoring import QuantileClasses, score_ranks


@dataclass(kw_only=True)
class ShippedRun(Stage):
    """Copy a prepared and scored cohort that came with the bundle into the run folder, for all stages after ``cut``.

    Raises:
        FileNotFoundError: one of them is not there.
        ValueError: the scores are of other images.
    """

    source: str
    held_out: ImageStore | None = None  # join the split ``test``; their scores come after those of the store

    name = "shipped_run"

    @property
    def leaves(self) -> Sequence[Path]:
        folder = self.folder
        return [folder.store, folder.scores, folder.classes, folder.timestep]

    def work(self) -> None:
        missing = [leaf.name for leaf in self.leaves if not (Path(self.source) / leaf.name).exists()]
        if missing:
            raise FileNotFoundError(
                f"shipped_run must be a folder with {', '.join(missing)}, got {self.source}; install the package anew, "
                "or leave out the overlay demo"
            )
        self.folder.path.mkdir(parents=True, exist_ok=True)
        self.folder.timestep_curve.unlink(missing_ok=True)  # of a score made here before
        for leaf in self.leaves:
            shipped = Path(self.source) / leaf.name
            if shipped.is_dir():
                store = copy_store(ImageStore.open(shipped), leaf)
            else:
                with whole_file(leaf) as partial:
                    shutil.copyfile(shipped, partial)  # it may be read-only where it ships
        if self.held_out is not None:
            self._append(append_store(store, self.held_out, Split.TEST.value))

    def _append(self, store: ImageStore) -> None:
        """Give all images their scores and classes."""
        scored, train = read_csv(self.folder.scores), (store.table[Column.SPLIT] == Split.TRAIN).to_numpy()
        if scored[Column.SOURCE].tolist() != store.table[Column.SOURCE].tolist():
            raise ValueError(f"{self.source}/scores.csv must be of its images and of held_out_store; install them anew")
        scores = scored[Column.SCORE].to_numpy()
        classes = QuantileClasses.load(self.folder.classes).transform(scores)
        columns = {Column.SCORE: scores, Column.SCORE_ERROR: scored[Column.SCORE_ERROR].to_numpy()}
        columns |= {Column.MINORITY_CLASS: classes, Column.SCORE_RANK: score_ranks(scores, train)}
        store.add_columns(**{str(name): values for name, values in columns.items()})
