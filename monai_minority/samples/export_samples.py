"""A sample set as files for other programs, in one folder."""

import os
import shutil
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from monai_minority.data.store.image_store import ImageStore
from monai_minority.samples.export import check_synthetic, save_nifti, save_png_grid
from monai_minority.samples.export_dicom import save_dicom
from monai_minority.samples.groups import sample_groups

FORMATS = ("png", "nifti", "dicom")
INDEX = "images.csv"


def export_samples(store: ImageStore, folder: str | os.PathLike[str], formats: Sequence[str] = FORMATS) -> Path:
    """Write a sample set as PNG pictures, NIfTI volumes and DICOM series, apart by class.

    ``<folder>/png/<class>/000001.png …`` has a picture an image; ``nifti/<class>.nii.gz`` a volume a class, a slice an
    image (:func:`save_nifti`); ``dicom/<class>/000001.dcm …`` a series a class (:func:`save_dicom`). Classes are named
    as in :func:`sample_groups`. ``images.csv`` is the store's table with each image's ``file``, without the folder of
    its format and its ending. All files say that their images are synthetic.

    Args:
        store: synthetic images.
        folder: replaced as a whole, if it is such an export.
        formats: which of ``png``, ``nifti`` and ``dicom``.

    Returns:
        ``folder``.

    Raises:
        ValueError: an unknown format or none, images that a format cannot hold, or a store that does not say that its
            images are synthetic. Nothing is written then.
        FileExistsError: ``folder`` exists and is no export.
    """
    unknown = [name for name in formats if name not in FORMATS]
    if unknown or not formats:
        raise ValueError(f"formats must be some of {', '.join(FORMATS)}, got {list(formats)}")
    check_synthetic(store)
    folder = Path(folder)
    if folder.exists() and not (folder / INDEX).is_file():
        raise FileExistsError(f"{folder} exists and is not an export (it has no {INDEX}), so it is not replaced")
    partial = folder.with_name(f".{os.getpid()}-{folder.name}")
    partial.mkdir(parents=True)
    try:
        tables = []
        for name, group in sample_groups(store).items():
            files = [f"{name}/{position:06d}" for position in range(1, len(group) + 1)]
            tables.append(group.table.assign(file=files))
            if "png" in formats:
                for position, file in enumerate(files):
                    image = group.batch([position])
                    save_png_grid(image, partial / "png" / f"{file}.png", padding=0, synthetic=True)
            if "nifti" in formats:
                save_nifti(group, partial / "nifti" / f"{name}.nii.gz")
        if "dicom" in formats:
            save_dicom(store, partial / "dicom")
        pd.concat(tables).to_csv(partial / INDEX, index=False)
        shutil.rmtree(folder, ignore_errors=True)
        partial.rename(folder)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return folder
