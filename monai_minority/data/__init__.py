"""Cohorts, subject splits, extraction, and the image store that they lead to."""

from monai_minority.data.cohort.cohort import Cohort, UnusableDataError
from monai_minority.data.cohort.dicom_folder import cohort_from_dicom
from monai_minority.data.cohort.extraction import extract_images
from monai_minority.data.cohort.find import find_cohort
from monai_minority.data.cohort.inspection import inspect_dicom
from monai_minority.data.cohort.lists import cohort_from_csv, cohort_from_datalist
from monai_minority.data.cohort.pictures import cohort_from_pictures
from monai_minority.data.cohort.private_tables import write_private_tables
from monai_minority.data.cohort.pseudonyms import Pseudonyms
from monai_minority.data.cohort.splits import check_no_leak, folds_by_subject, long_tail, split_by_subject, split_cohort
from monai_minority.data.cohort.volume_folders import cohort_from_bids, cohort_from_folder, cohort_from_nnunet
from monai_minority.data.paths import Rejection
from monai_minority.data.phantom.cohort import make_phantom_cohort
from monai_minority.data.store.batches import (
    BatchPlan,
    OrderedBatches,
    ShuffledBatches,
    StoreBatches,
    ordered_loader,
    shuffled_loader,
)
from monai_minority.data.store.image_store import ImageStore
from monai_minority.data.store.real_or_generated import RealOrGenerated
from monai_minority.data.volumes.dicom.rules import SeriesRules
from monai_minority.data.volumes.dicom.volume import read_dicom_volume
from monai_minority.data.volumes.intensity_scale import IntensityScale
from monai_minority.data.volumes.nifti import read_nifti_volume

__all__ = [
    "BatchPlan",
    "Cohort",
    "ImageStore",
    "IntensityScale",
    "OrderedBatches",
    "Pseudonyms",
    "RealOrGenerated",
    "Rejection",
    "SeriesRules",
    "ShuffledBatches",
    "UnusableDataError",
    "StoreBatches",
    "check_no_leak",
    "cohort_from_bids",
    "cohort_from_csv",
    "cohort_from_datalist",
    "cohort_from_dicom",
    "cohort_from_folder",
    "cohort_from_nnunet",
    "cohort_from_pictures",
    "extract_images",
    "find_cohort",
    "folds_by_subject",
    "inspect_dicom",
    "long_tail",
    "make_phantom_cohort",
    "ordered_loader",
    "read_dicom_volume",
    "read_nifti_volume",
    "shuffled_loader",
    "split_by_subject",
    "split_cohort",
    "write_private_tables",
]
