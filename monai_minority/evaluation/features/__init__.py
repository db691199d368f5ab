"""Feature spaces. Each extractor does its own resizing and normalisation and describes both."""

from monai_minority.evaluation.features.dino import DINO, TunedDINO
from monai_minority.evaluation.features.extract import Images, extract
from monai_minority.evaluation.features.extractor import FeatureExtractor, describe_extractor, fingerprint
from monai_minority.evaluation.features.inception import Inception, InceptionMaps, published_spaces
from monai_minority.evaluation.features.thumbnail import Thumbnail
from monai_minority.evaluation.features.torchscript import TorchScriptFeatures
from monai_minority.evaluation.features.torchvision_networks import RandomResNet50, RandomVGG16, ResNet50, initialise
from monai_minority.networks import EfficientNetLite0

__all__ = [
    "DINO",
    "EfficientNetLite0",
    "FeatureExtractor",
    "Images",
    "Inception",
    "InceptionMaps",
    "RandomResNet50",
    "RandomVGG16",
    "ResNet50",
    "Thumbnail",
    "TorchScriptFeatures",
    "TunedDINO",
    "describe_extractor",
    "extract",
    "fingerprint",
    "initialise",
    "published_spaces",
]
