"""A run: its folder, its stages, its record, its processes."""

from monai_minority.run.bundle import Bundle
from monai_minority.run.configuration import UNINFLUENTIAL, Configuration
from monai_minority.run.distributed import barrier, by_first_process, is_main, parallel, start
from monai_minority.run.entry import check_settings
from monai_minority.run.folder import RunFolder
from monai_minority.run.lock import RunInUse, owned
from monai_minority.run.precision import fast_dtype
from monai_minority.run.progress_bar import ProgressBar
from monai_minority.run.proposal import Proposal, propose, step_seconds
from monai_minority.run.result_parts import ResultParts
from monai_minority.run.sampling_cost import SamplingCost
from monai_minority.run.settings import Setting, find_settings, heads
from monai_minority.run.stage import Stage
from monai_minority.run.summary_writer import summary_writer

__all__ = [
    "UNINFLUENTIAL",
    "Bundle",
    "Configuration",
    "ProgressBar",
    "Proposal",
    "ResultParts",
    "RunFolder",
    "RunInUse",
    "SamplingCost",
    "Setting",
    "Stage",
    "barrier",
    "by_first_process",
    "check_settings",
    "fast_dtype",
    "find_settings",
    "heads",
    "is_main",
    "owned",
    "parallel",
    "propose",
    "start",
    "step_seconds",
    "summary_writer",
]
