"""Density, fidelity and agreement of real and generated images."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from monai_minority.run import Stage


@dataclass(kw_only=True)
class Evaluate(Stage):
    """Measure the real images and every sample set, into the tables of ``evaluation/``.

    Attributes:
        measure: :func:`~monai_minority.tables.evaluate_run` with its settings.
    """

    measure: Callable[[], object]

    name = "evaluate"
    columns = None

    @property
    def reads(self) -> Sequence[Path]:
        return [self.folder.classes]

    @property
    def leaves(self) -> Sequence[Path]:
        tables = ("summary", "unusual_images", "spaces", "fidelity", "groups")
        return [self.folder.evaluation / f"{name}.csv" for name in tables]

    def work(self) -> None:
        self.measure()
