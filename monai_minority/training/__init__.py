"""What networks are trained with: batches, losses and what trainers do beside their steps."""

from monai_minority.training.augmenting import AugmentingPrepareBatch
from monai_minority.training.autoencoder_loss import AutoencoderLoss
from monai_minority.training.average_warm_up import AverageWarmUp
from monai_minority.training.class_balancing_loss import ClassBalancingLoss
from monai_minority.training.cosine_schedule import CosineSchedule
from monai_minority.training.crops import CropsPrepareBatch
from monai_minority.training.denoising_loss import DenoisingLoss
from monai_minority.training.discriminator_step import DiscriminatorStep
from monai_minority.training.distillation_schedules import DistillationSchedules
from monai_minority.training.gradient_clipping import GradientClipping
from monai_minority.training.gradient_freeze import GradientFreeze
from monai_minority.training.labelled import LabelledPrepareBatch
from monai_minority.training.noise_level_errors import NoiseLevelErrors
from monai_minority.training.noising import DenoisingTargets, NoisingPrepareBatch
from monai_minority.training.reconstruction_grid import ReconstructionGrid
from monai_minority.training.sample_grid import SampleGrid
from monai_minority.training.self_distillation_loss import SelfDistillationLoss
from monai_minority.training.step_seed import StepSeed
from monai_minority.training.training_checkpoint import TrainingCheckpoint
from monai_minority.training.validation_metrics import MaskDice, ReconstructionError, ValidationLoss

__all__ = [
    "AugmentingPrepareBatch",
    "AutoencoderLoss",
    "AverageWarmUp",
    "ClassBalancingLoss",
    "CosineSchedule",
    "CropsPrepareBatch",
    "DenoisingLoss",
    "DenoisingTargets",
    "DiscriminatorStep",
    "DistillationSchedules",
    "GradientClipping",
    "GradientFreeze",
    "LabelledPrepareBatch",
    "MaskDice",
    "NoiseLevelErrors",
    "NoisingPrepareBatch",
    "ReconstructionError",
    "ReconstructionGrid",
    "SampleGrid",
    "SelfDistillationLoss",
    "StepSeed",
    "TrainingCheckpoint",
    "ValidationLoss",
]
