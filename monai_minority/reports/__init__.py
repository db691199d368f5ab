"""Results of a run for readers: findings in words, figures, TensorBoard, and one self-contained HTML file."""

from monai_minority.reports.contents import RunContents
from monai_minority.reports.findings import findings
from monai_minority.reports.html_report import write_report
from monai_minority.reports.tensorboard import write_tensorboard

__all__ = ["RunContents", "findings", "write_report", "write_tensorboard"]
