"""The base class of studies."""

from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from monai_minority.run.jobs import Job
from monai_minority.studies.plan import StudyPlan, leaves
from monai_minority.studies.study_run import StudyRun

Tables = dict[str, pd.DataFrame]
"""Tables of a study: ``figures`` with its numbers, and further tables for its figure."""


class Study(ABC):
    """A figure or table of the paper for any cohort: the stages that it needs, and the evaluation of their results.

    A study has no settings. They are in the plan, so that studies that need the same work have the same jobs.
    """

    title: str
    """Heading in the report."""
    source: str
    """Its place in the paper."""

    @abstractmethod
    def calls(self, plan: StudyPlan) -> list[Job]:
        """The jobs that it needs, in order.

        Raises:
            ValueError: the cohort lacks the data of the study.
            FileNotFoundError: another command must run first.
        """

    def reads(self, plan: StudyPlan) -> list[Path]:
        """Files and folders that :meth:`measure` reads in addition to those of the run."""
        return [path for job in self.calls(plan) if (path := leaves(job))]

    def context(self, run: StudyRun) -> dict[str, Any]:
        """Record of how its tables were measured; see :func:`~monai_minority.tables.provenance.with_provenance`."""
        return run.context

    @abstractmethod
    def measure(self, run: StudyRun) -> Tables:
        """Its tables, after the stages have run. The report refers to ``figures``."""

    @abstractmethod
    def draw(self, tables: Tables, run: StudyRun) -> Figure:
        """Its figure."""

    @abstractmethod
    def tell(self, tables: Tables) -> str:
        """A paragraph with the measured numbers."""
