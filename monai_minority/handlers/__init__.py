"""What engines do beside their work: checkpoints, pictures, records, files."""

from monai_minority.handlers.average_warm_up import AverageWarmUp
from monai_minority.handlers.discriminator_step import DiscriminatorStep
from monai_minority.handlers.distillation_schedules import DistillationSchedules
from monai_minority.handlers.gradient_clipping import GradientClipping
from monai_minority.handlers.gradient_freeze import GradientFreeze
from monai_minority.handlers.noise_level_errors import NoiseLevelErrors
from monai_minority.handlers.progress_bar import ProgressBar
from monai_minority.handlers.reconstruction_grid import ReconstructionGrid
from monai_minority.handlers.result_parts import ResultParts
from monai_minority.handlers.sample_grid import SampleGrid
from monai_minority.handlers.sampling_cost import SamplingCost
from monai_minority.handlers.severity_review import SeverityReview
from monai_minority.handlers.step_seed import StepSeed
from monai_minority.handlers.summary_writer import summary_writer
from monai_minority.handlers.training_checkpoint import TrainingCheckpoint

__all__ = [
    "AverageWarmUp",
    "DiscriminatorStep",
    "DistillationSchedules",
    "GradientClipping",
    "GradientFreeze",
    "NoiseLevelErrors",
    "ProgressBar",
    "ReconstructionGrid",
    "ResultParts",
    "SampleGrid",
    "SamplingCost",
    "SeverityReview",
    "StepSeed",
    "TrainingCheckpoint",
    "summary_writer",
]
