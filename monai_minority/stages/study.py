"""The last step of a study, and the stores of its cells."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from monai_minority.data import ImageStore
from monai_minority.keys import Column
from monai_minority.run import Stage
from monai_minority.run import stage as stages
from monai_minority.studies import Study, StudyRun, own_store, run_study


@dataclass(kw_only=True)
class StudyStage(Stage):
    """Measure a study whose stages have run, and write its tables, figure and paragraph into ``studies/``."""

    study: str
    chosen: Study
    run: StudyRun

    config = "study"
    columns = None

    @property
    def name(self) -> str:  # type: ignore[override]
        return f"studies/{self.study}"

    @property
    def reads(self) -> Sequence[Path]:
        return [path.absolute() for path in self.chosen.reads(self.run.plan)]

    @property
    def leaves(self) -> Sequence[Path]:
        return [self.folder.studies / f"{self.study}.json"]

    def work(self) -> None:
        run_study(self.study, self.chosen, self.run)


@dataclass(kw_only=True)
class StudyStore(Stage):
    """A store for a study's cell: the pixels of the run's store, and a table of its own."""

    source: ImageStore
    images: int | None  # at most so many, evenly, without scores; ``None``: all, with scores
    share: float  # of the training subjects that keep their split

    name = "study_store"
    columns = (*stages.PREPARED, Column.CLASS_LABEL, Column.SCORE, Column.SCORE_ERROR)

    @property
    def leaves(self) -> Sequence[Path]:
        return [self.folder.store]

    def work(self) -> None:
        own_store(self.source, self.folder.store, self.images, self.share)
