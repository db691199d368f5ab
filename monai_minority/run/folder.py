"""The folder that a run leaves everything in."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any


class RunFolder:
    """Where each part of a run lies, written once; the parts themselves need not be there.

    Args:
        path: the folder.

    Example:
        >>> from monai_minority.run import RunFolder
        >>> folder = RunFolder("runs/first")
        >>> folder.scores.as_posix(), folder.samples("guided").as_posix()
        ('runs/first/scores.csv', 'runs/first/samples/guided')
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        self.record = self.path / "run.json"
        """Settings, contents, versions and times of each stage."""
        self.cohort = self.path / "cohort.csv"
        """What was found, with the names and paths that identify: the only such file."""
        self.rejected = self.path / "rejected.csv"
        self.intensity = self.path / "intensity.json"
        self.store = self.path / "store"
        """The real images."""
        self.latents = self.path / "latents"
        self.labels = self.path / "labels.json"
        self.folds = self.path / "folds.csv"
        """Subjects and images of each fold."""
        self.timestep = self.path / "timestep.json"
        self.timestep_curve = self.path / "timestep.csv"
        self.scores = self.path / "scores.csv"
        self.classes = self.path / "classes.json"
        """Thresholds of the minority classes."""
        self.features = self.path / "features"
        """Features of stores by their content, kept between stages."""
        self.evaluation = self.path / "evaluation"
        self.comparison = self.path / "comparison"
        self.studies = self.path / "studies"
        self.report = self.path / "report.html"

    def network(self, name: str) -> Path:
        """The folder of a trained network: ``backbone``, ``classifier``, ``autoencoder`` …"""
        return self.path / _one_part(name)

    def samples(self, name: str, folder: str = "samples") -> Path:
        """A sample set; those in ``samples/`` are evaluated and reported.

        Raises:
            ValueError: the name would lie elsewhere.
        """
        return self.path.joinpath(*map(_one_part, folder.split("/")), _one_part(name))

    def filtered(self, name: str) -> Path:
        """A sample set without its suspected copies."""
        return self.path / "filtered" / _one_part(name)

    def exports(self, name: str) -> Path:
        """A sample set in other formats."""
        return self.path / "exports" / _one_part(name)

    def tensorboard(self, name: str) -> Path:
        """TensorBoard's files of a stage."""
        return self.path / "tensorboard" / name


def _one_part(name: str) -> str:
    """A name that is one part of a path, so that nothing is written elsewhere or hidden."""
    if not name[:1].isalnum() or not name.isprintable() or any(mark in name for mark in "/\\:"):
        raise ValueError(
            "a name in the run folder must be printable, without / \\ : and begin with a letter or a digit, got "
            f"{name!r}; choose another"
        )
    return name


def check_default_place(config: Mapping[str, Any]) -> None:
    """Refuse to put images of people where nobody chose to: below the current folder, within a clone or a bundle.

    Args:
        config: settings as they are written. A relative ``run_dir`` is a default, or was given without its place; a
            ``dataset_dir`` that refers to another setting is made by a stage or ships with the bundle, and holds
            nobody's images.

    Raises:
        ValueError: the images are someone's, and the run folder would lie within a clone, the package or a bundle.

    Example:
        >>> from monai_minority.run.folder import check_default_place
        >>> check_default_place({"run_dir": "/runs/first", "dataset_dir": "/data/t1"})
    """
    run_dir, dataset_dir = str(config.get("run_dir")), str(config.get("dataset_dir", "$@run_dir"))
    if run_dir.startswith(("/", "$")) or dataset_dir.startswith(("@", "$")):
        return
    place = Path(run_dir).absolute()
    for parent in place.parents:
        if (parent / "monai_minority" / "__init__.py").is_file() or (parent / "configs" / "common.yaml").is_file():
            raise ValueError(
                f"run_dir must be given with its whole path here: {place} lies within {parent}, which is no place for "
                "the images of a cohort; write --run-dir /runs/first, or --run_dir for MONAI's command"
            )
