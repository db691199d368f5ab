"""What the stages do."""

from monai_minority.stages.label import label_images, spread_labels
from monai_minority.stages.latents import measure_scale, write_latents
from monai_minority.stages.mean_features import mean_features
from monai_minority.stages.scores import cut_classes, record_scores
from monai_minority.stages.timestep import read_timestep, settle_timestep

__all__ = [
    "cut_classes",
    "label_images",
    "mean_features",
    "measure_scale",
    "read_timestep",
    "record_scores",
    "settle_timestep",
    "spread_labels",
    "write_latents",
]
