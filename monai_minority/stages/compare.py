"""Samplers side by side."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from monai_minority.data import ImageStore
from monai_minority.keys import Column
from monai_minority.run import Stage


@dataclass(kw_only=True)
class Compare(Stage):
    """Measure one sample set a method, into the tables of ``comparison/``.

    Attributes:
        samples: the sets by method.
        measure: :func:`~monai_minority.tables.compare_methods` with its settings.
    """

    samples: Mapping[str, ImageStore]
    measure: Callable[[], object]

    name = "compare"
    columns = (Column.SPLIT, Column.SUBJECT, Column.GROUP, Column.SCORE, Column.MINORITY_CLASS)

    @cached_property
    def contents(self) -> dict[str, Any]:
        seconds = {name: store.meta.get("seconds_an_image") for name, store in self.samples.items()}
        return {**super().contents, "seconds_an_image": seconds}

    @property
    def reads(self) -> Sequence[Path]:
        return [self.folder.classes]

    @property
    def leaves(self) -> Sequence[Path]:
        return [self.folder.comparison / name for name in ("methods.csv", "methods.png", "context.json")]

    def work(self) -> None:
        self.measure()
