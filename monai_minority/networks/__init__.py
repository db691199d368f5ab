"""Networks and their weights: ADM U-Net and encoder, classifiers on other networks, features, checkpoint files."""

from monai_minority.networks.adm import ADMConfig, ADMEncoder, ADMUNet
from monai_minority.networks.autoencoder import LatentAutoencoder
from monai_minority.networks.backbone_classifier import BackboneClassifier
from monai_minority.networks.cascaded_classifier import CascadedClassifier
from monai_minority.networks.checkpoints import load_checkpoint, read_state_dict, save_weights, start_weights
from monai_minority.networks.efficientnet import EfficientNetLite0, tunable_efficientnet
from monai_minority.networks.score_conditioned import ScoreConditioned
from monai_minority.networks.self_distillation import ProjectionHead, SelfDistillationNetwork, vision_transformer
from monai_minority.networks.wrappers import ClassifierFeatures, SpaceToDepth

__all__ = [
    "ADMConfig",
    "ADMEncoder",
    "ADMUNet",
    "BackboneClassifier",
    "CascadedClassifier",
    "ClassifierFeatures",
    "EfficientNetLite0",
    "LatentAutoencoder",
    "ProjectionHead",
    "ScoreConditioned",
    "SelfDistillationNetwork",
    "SpaceToDepth",
    "load_checkpoint",
    "read_state_dict",
    "save_weights",
    "start_weights",
    "tunable_efficientnet",
    "vision_transformer",
]
