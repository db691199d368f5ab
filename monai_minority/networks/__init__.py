"""Networks and their weights: ADM U-Net and encoder, classifiers on other networks, features, checkpoint files."""

from monai_minority.networks.adm import ADMConfig, ADMEncoder, ADMUNet
from monai_minority.networks.autoencoder import LatentAutoencoder
from monai_minority.networks.backbone_classifier import BackboneClassifier
from monai_minority.networks.cascaded_classifier import CascadedClassifier
from monai_minority.networks.checkpoints import load_checkpoint, read_state_dict, save_weights
from monai_minority.networks.classifier_features import ClassifierFeatures
from monai_minority.networks.efficientnet_lite import EfficientNetLite0
from monai_minority.networks.projection_head import ProjectionHead
from monai_minority.networks.self_distillation import SelfDistillationNetwork
from monai_minority.networks.space_to_depth import SpaceToDepth
from monai_minority.networks.start_weights import start_weights
from monai_minority.networks.tunable_efficientnet import tunable_efficientnet
from monai_minority.networks.vision_transformer import vision_transformer

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
    "SelfDistillationNetwork",
    "SpaceToDepth",
    "load_checkpoint",
    "read_state_dict",
    "save_weights",
    "start_weights",
    "tunable_efficientnet",
    "vision_transformer",
]
