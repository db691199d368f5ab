"""The embedded cohort: volumes with atrophy of known severity, in place of a hospital's."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from monai_minority.run import Stage


@dataclass(kw_only=True)
class PhantomCohort(Stage):
    """Make the volumes of the phantom cohort and ``participants.tsv`` in ``cohort/``."""

    make: Callable[[], object]

    name = "phantom_cohort"

    @property
    def leaves(self) -> Sequence[Path]:
        return [self.folder.path / "cohort" / "participants.tsv"]

    def work(self) -> None:
        self.make()
