"""What a run found, in one file and in TensorBoard."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from monai_minority.reports import write_report, write_tensorboard
from monai_minority.run import Stage


@dataclass(kw_only=True)
class Report(Stage):
    """Write ``report.html``, and the evaluation for TensorBoard."""

    title: str = ""

    name = "report"

    @property
    def reads(self) -> Sequence[Path]:
        evaluation = [path for path in sorted(self.folder.evaluation.iterdir()) if path.is_file()]
        studies = [path for end in ("json", "png") for path in sorted(self.folder.studies.glob(f"*.{end}"))]
        return [*evaluation, *studies, *sorted(self.folder.comparison.glob("methods.*"))]

    @property
    def leaves(self) -> Sequence[Path]:
        return [self.folder.report]

    def work(self) -> None:
        write_report(self.folder.path, title=self.title)
        write_tensorboard(self.folder.path)
