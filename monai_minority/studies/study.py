"""What a study is."""

from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from monai_minority.run.jobs import Job
from monai_minority.studies.plan import StudyPlan, leaves
from monai_minority.studies.study_run import StudyRun

Tables = dict[str, pd.DataFrame]
"""Tables of a study: ``figures`` with its numbers, and others that its figure is drawn from."""


class Study(ABC):
    """A figure or table of the paper over any cohort: which stages it needs, and what is made of their results.

    A study holds no settings; the plan does, so that studies that need the same work name the same calls.
    """

    title: str
    """Heading in the report."""
    source: str
    """Where the paper has it."""

    @abstractmethod
    def calls(self, plan: StudyPlan) -> list[Job]:
        """The stages it needs, in their order.

        Raises:
            ValueError: the cohort lacks what the study is about.
            FileNotFoundError: another command must run first.
        """

    def reads(self, plan: StudyPlan) -> list[Path]:
        """Files and folders that :meth:`measure` reads beside the run's own."""
        return [path for job in self.calls(plan) if (path := leaves(job))]

    def context(self, run: StudyRun) -> dict[str, Any]:
        """How its tables were measured; see :func:`~monai_minority.tables.provenance.with_provenance`."""
        return run.context

    @abstractmethod
    def measure(self, run: StudyRun) -> Tables:
        """Its tables, once the stages have run; ``figures`` is the one that the report refers to."""

    @abstractmethod
    def draw(self, tables: Tables, run: StudyRun) -> Figure:
        """Its figure."""

    @abstractmethod
    def tell(self, tables: Tables) -> str:
        """A paragraph of measured numbers."""
