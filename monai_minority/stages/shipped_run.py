"""A run that came with a bundle, from its scored images on."""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from monai_minority.run import Stage


@dataclass(kw_only=True)
class ShippedRun(Stage):
    """Copy a prepared and scored cohort that came with the bundle into the run folder, for all stages after ``cut``.

    Attributes:
        source: folder with ``store/``, ``scores.csv``, ``classes.json``, ``timestep.json`` and ``timestep.csv``.

    Raises:
        FileNotFoundError: one of them is not there.
    """

    source: str

    name = "shipped_run"

    @property
    def leaves(self) -> Sequence[Path]:
        folder = self.folder
        return [folder.store, folder.scores, folder.classes, folder.timestep, folder.timestep_curve]

    def work(self) -> None:
        missing = [leaf.name for leaf in self.leaves if not (Path(self.source) / leaf.name).exists()]
        if missing:
            raise FileNotFoundError(
                f"shipped_run must be a folder with {', '.join(missing)}, got {self.source}; install the package anew, "
                "or leave out the overlay demo"
            )
        self.folder.path.mkdir(parents=True, exist_ok=True)
        for leaf in self.leaves:
            shipped = Path(self.source) / leaf.name
            if shipped.is_dir():
                shutil.rmtree(leaf, ignore_errors=True)
                shutil.copytree(shipped, leaf, copy_function=shutil.copyfile)  # they may be read-only where they ship
            else:
                shutil.copyfile(shipped, leaf)
