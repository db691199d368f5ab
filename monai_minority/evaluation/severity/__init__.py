"""Measures of disease severity in images."""

from monai_minority.evaluation.severity.label_area import LabelArea
from monai_minority.evaluation.severity.ventricles import brain_and_ventricles, ventricle_to_brain_ratio

__all__ = ["LabelArea", "brain_and_ventricles", "ventricle_to_brain_ratio"]
