"""Training: batches, losses, and handlers that act beside the steps of a trainer."""

from monai_minority.training.autoencoder_loss import AutoencoderLoss
from monai_minority.training.batches import (
    AugmentingPrepareBatch,
    CropsPrepareBatch,
    DenoisingTargets,
    LabelledPrepareBatch,
    NoisingPrepareBatch,
)
from monai_minority.training.class_balancing_loss import ClassBalancingLoss
from monai_minority.training.denoising_loss import DenoisingLoss
from monai_minority.training.discriminator_step import DiscriminatorStep
from monai_minority.training.noise_level_errors import NoiseLevelErrors
from monai_minority.training.noised_features import NoisedFeatures
from monai_minority.training.reconstruction_grid import ReconstructionGrid
from monai_minority.training.sample_grid import SampleGrid
from monai_minority.training.self_distillation import CosineSchedule, DistillationSchedules, SelfDistillationLoss
from monai_minority.training.step_handlers import (
    AverageWarmUp,
    GradientClipping,
    GradientFreeze,
    StepSeed,
    WeightAverage,
)
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
    "NoisedFeatures",
    "NoisingPrepareBatch",
    "ReconstructionError",
    "ReconstructionGrid",
    "SampleGrid",
    "SelfDistillationLoss",
    "StepSeed",
    "TrainingCheckpoint",
    "ValidationLoss",
    "WeightAverage",
]
