"""From files to an image store: cohorts, subject splits, extraction and the store itself."""

from monai_minority.data.cohort import Cohort, Rejection
from monai_minority.data.dicom import cohort_from_dicom
from monai_minority.data.dicom_volume import read_dicom_volume
from monai_minority.data.export import is_synthetic, save_nifti, save_png_grid
from monai_minority.data.export_dicom import save_dicom
from monai_minority.data.export_samples import export_samples
from monai_minority.data.extraction import extract
from monai_minority.data.find import (
    cohort_from_bids,
    cohort_from_csv,
    cohort_from_datalist,
    cohort_from_folder,
    cohort_from_pictures,
    find_cohort,
)
from monai_minority.data.image_store import ImageStore
from monai_minority.data.imported_samples import ImportedSamples
from monai_minority.data.inspection import inspect_dicom
from monai_minority.data.intensity_scale import IntensityScale
from monai_minority.data.nifti_volume import read_nifti_volume
from monai_minority.data.phantom import make_phantom_cohort
from monai_minority.data.private_tables import write_private_tables
from monai_minority.data.pseudonyms import Pseudonyms
from monai_minority.data.real_or_generated import RealOrGenerated
from monai_minority.data.sample_groups import sample_groups
from monai_minority.data.sample_plan import SamplePlan
from monai_minority.data.series_rules import SeriesRules
from monai_minority.data.splits import check_no_leak, long_tail, split_by_subject, split_cohort
from monai_minority.data.store_batches import BatchPlan, OrderedBatches, ShuffledBatches, StoreBatches

__all__ = [
    "BatchPlan",
    "Cohort",
    "ImageStore",
    "ImportedSamples",
    "IntensityScale",
    "OrderedBatches",
    "Pseudonyms",
    "RealOrGenerated",
    "Rejection",
    "SamplePlan",
    "SeriesRules",
    "ShuffledBatches",
    "StoreBatches",
    "check_no_leak",
    "cohort_from_bids",
    "cohort_from_csv",
    "cohort_from_datalist",
    "cohort_from_dicom",
    "cohort_from_folder",
    "cohort_from_pictures",
    "export_samples",
    "extract",
    "find_cohort",
    "inspect_dicom",
    "is_synthetic",
    "long_tail",
    "make_phantom_cohort",
    "read_dicom_volume",
    "read_nifti_volume",
    "sample_groups",
    "save_dicom",
    "save_nifti",
    "save_png_grid",
    "split_by_subject",
    "split_cohort",
    "write_private_tables",
]
