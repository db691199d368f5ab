"""Transforms that MONAI does not have: loading, checks, alignment, slices, intensities and random crops of a batch."""

from monai_minority.transforms.align_to_axes import AlignToAxesd
from monai_minority.transforms.center_crop_to_square import CenterCropToSquared
from monai_minority.transforms.check_volume import CheckVolumed
from monai_minority.transforms.correct_bias import CorrectBiasd
from monai_minority.transforms.extract_slices import ExtractSlicesd
from monai_minority.transforms.load_picture import LoadPictured
from monai_minority.transforms.load_volume import LoadVolumed
from monai_minority.transforms.mask_brain import MaskBraind
from monai_minority.transforms.measure_intensity import MeasureIntensityd
from monai_minority.transforms.multi_crop import MultiCrop, Views
from monai_minority.transforms.resize_to_square import ResizeToSquared
from monai_minority.transforms.slice_intensity import SliceIntensityd

__all__ = [
    "AlignToAxesd",
    "CenterCropToSquared",
    "CheckVolumed",
    "CorrectBiasd",
    "ExtractSlicesd",
    "LoadPictured",
    "LoadVolumed",
    "MaskBraind",
    "MeasureIntensityd",
    "MultiCrop",
    "ResizeToSquared",
    "SliceIntensityd",
    "Views",
]
