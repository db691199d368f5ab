"""Volumes or pictures to a store of images, split by subject."""

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd

from monai_minority.data import Cohort, ImageStore, Pseudonyms, Rejection, UnusableDataError, write_private_tables
from monai_minority.data.paths import PASSED_OVER
from monai_minority.data.store.copy import append_store
from monai_minority.keys import Column, Split
from monai_minority.run import Stage, content


@dataclass(kw_only=True)
class Prepare(Stage):
    """Find what a data set holds, split it by subject, and extract its images into the store.

    Leaves the store, and ``cohort.csv``, which names what was found and, with a reason, what was left out.
    """

    dataset_dir: str | os.PathLike[str]
    find: Callable[..., Cohort]  # makes a cohort of the data set
    options: Mapping[str, Any]
    split: Callable[[Cohort], Cohort]
    extract: Callable[[Cohort], ImageStore]  # writes its images into the store
    held_out: ImageStore | None = None  # images of other subjects that join the split ``test``

    name = "prepare"

    @cached_property
    def contents(self) -> dict[str, Any]:
        return {**super().contents, "data": content.of_path(Path(self.dataset_dir))}

    @property
    def leaves(self) -> Sequence[Path]:
        return [self.folder.store, self.folder.cohort]

    @property
    def made(self) -> str:
        table = ImageStore.open(self.folder.store).table
        splits = table[Column.SPLIT].value_counts()
        shares = ", ".join(f"{name} {count:,}" for name, count in splits.items())
        return f"{len(table):,} images of {table[Column.SUBJECT].nunique():,} subjects ({shares})"

    def work(self) -> None:
        try:
            cohort = self.find(**self.options)
        except UnusableDataError as error:
            self._keep(error.entries)
            raise
        for line in cohort.account():
            print(f"  {line}", flush=True)
        store = self.extract(self.split(cohort))
        if self.held_out is not None:
            append_store(store, self.held_out, Split.TEST.value)

    def _keep(self, entries: Sequence[Rejection]) -> None:
        """Write down what was found where nothing of it can be used."""
        pseudonyms = Pseudonyms(self.folder.path / "cohort.key")
        left_out = [entry for entry in entries if not entry.reason.startswith(PASSED_OVER)]
        rest = [entry for entry in entries if entry.reason.startswith(PASSED_OVER)]
        nothing = pd.DataFrame(columns=["source", "pseudonym", "image", "subject"])
        write_private_tables(nothing, {}, left_out, pseudonyms, self.folder.cohort, self.folder.rejected, rest)
