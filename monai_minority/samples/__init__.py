"""Generated images: sample plans, sample sets, export and import."""

from monai_minority.samples.export import is_synthetic, save_nifti, save_png_grid
from monai_minority.samples.export_bids import export_bids
from monai_minority.samples.export_dicom import save_dicom
from monai_minority.samples.export_samples import export_samples
from monai_minority.samples.groups import sample_groups
from monai_minority.samples.imported import ImportedSamples
from monai_minority.samples.plan import SamplePlan, spread_classes, spread_labels
from monai_minority.samples.selected import most_likely
from monai_minority.samples.write import method_samples, read_samples, write_samples

__all__ = [
    "ImportedSamples",
    "SamplePlan",
    "export_bids",
    "export_samples",
    "is_synthetic",
    "method_samples",
    "most_likely",
    "read_samples",
    "sample_groups",
    "save_dicom",
    "save_nifti",
    "save_png_grid",
    "spread_classes",
    "spread_labels",
    "write_samples",
]
