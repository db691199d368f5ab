"""What MONAI's trainers and evaluators are fed with: targets, losses, the stages' bookkeeping."""

from monai_minority.engines.augmenting import AugmentingPrepareBatch
from monai_minority.engines.autoencoder_loss import AutoencoderLoss
from monai_minority.engines.class_balancing_loss import ClassBalancingLoss
from monai_minority.engines.class_labels import label_images, spread_labels
from monai_minority.engines.cosine_schedule import CosineSchedule
from monai_minority.engines.crops import CropsPrepareBatch
from monai_minority.engines.denoising_loss import DenoisingLoss
from monai_minority.engines.labelled import LabelledPrepareBatch
from monai_minority.engines.latents import measure_scale, write_latents
from monai_minority.engines.mean_features import mean_features
from monai_minority.engines.noising import DenoisingTargets, NoisingPrepareBatch
from monai_minority.engines.precision import fast_dtype
from monai_minority.engines.sample_store import method_samples, read_samples, write_samples
from monai_minority.engines.score_timestep import read_timestep, settle_timestep
from monai_minority.engines.self_distillation_loss import SelfDistillationLoss
from monai_minority.engines.stage import Stage
from monai_minority.engines.start import barrier, check_read, parallel, start
from monai_minority.engines.tables import cut_classes, record_scores

__all__ = [
    "AugmentingPrepareBatch",
    "AutoencoderLoss",
    "ClassBalancingLoss",
    "CosineSchedule",
    "CropsPrepareBatch",
    "DenoisingLoss",
    "DenoisingTargets",
    "LabelledPrepareBatch",
    "NoisingPrepareBatch",
    "SelfDistillationLoss",
    "Stage",
    "barrier",
    "check_read",
    "cut_classes",
    "fast_dtype",
    "measure_scale",
    "label_images",
    "mean_features",
    "method_samples",
    "parallel",
    "read_samples",
    "read_timestep",
    "record_scores",
    "settle_timestep",
    "spread_labels",
    "start",
    "write_latents",
    "write_samples",
]
