"""Export a sample set to one folder of files for other programs."""

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from monai_minority.data.store.image_store import ImageStore
from monai_minority.files import whole_folder, write_csv
from monai_minority.keys import SYNTHETIC_NOTE
from monai_minority.samples.export import check_synthetic, save_nifti, save_png_grid
from monai_minority.samples.export_dicom import save_dicom
from monai_minority.samples.groups import sample_groups

FORMATS = {"png": ".png", "nifti": ".nii.gz", "dicom": ".dcm"}
INDEX = "images.csv"


def export_samples(store: ImageStore, folder: str | os.PathLike[str], formats: Sequence[str] = tuple(FORMATS)) -> Path:
    """Write a sample set as PNG pictures, NIfTI files and DICOM series, separated by class.

    An image is ``png/<class>/000001.png`` in the folder, ``nifti/<class>/000001.nii.gz`` (:func:`save_nifti`) and
    ``dicom/<class>/000001.dcm``, where a class is a series (:func:`save_dicom`). Classes are named as in
    :func:`sample_groups`. ``images.csv`` is the table of the store with the column ``file``, the path of an image in
    the first of the formats, and ``datalist.json`` a MONAI data list of the same. So ``torchvision``'s ``ImageFolder``
    takes ``png/``, MONAI's ``load_decathlon_datalist`` and ``CacheDataset`` take the list, and pandas the table. All
    files are marked as synthetic.

    Args:
        store: synthetic images.
        folder: output folder. An earlier export is replaced as a whole.
        formats: any of ``png``, ``nifti`` and ``dicom``.

    Returns:
        ``folder``.

    Raises:
        ValueError: a format is unknown, ``formats`` is empty, a format cannot hold the images, or the store is not
            marked as synthetic. Nothing is written.
        FileExistsError: ``folder`` exists and is not an export.

    Example:
        >>> import tempfile, numpy as np
        >>> from monai_minority.data import ImageStore
        >>> from monai_minority.samples import export_samples
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     pixels, table = np.zeros((2, 1, 8, 8), np.uint8), {"target_class": [0, 3]}
        ...     store = ImageStore.create(f"{folder}/store", pixels, table, (0, 255), synthetic=True)
        ...     made = export_samples(store, f"{folder}/rare", formats=["png", "nifti"])
        ...     sorted(file.relative_to(made).as_posix() for file in made.rglob("class_3*"))
        ['nifti/class_3', 'png/class_3']
    """
    unknown = [name for name in formats if name not in FORMATS]
    if unknown or not formats:
        raise ValueError(f"formats must be some of {', '.join(FORMATS)}, got {list(formats)}")
    check_synthetic(store)
    folder = Path(folder)
    if folder.exists() and not (folder / INDEX).is_file():
        raise FileExistsError(f"{folder} exists and is not an export (it has no {INDEX}), so it is not replaced")
    with whole_folder(folder) as partial:
        tables = []
        for name, group in sample_groups(store).items():
            files = [f"{name}/{position:06d}" for position in range(1, len(group) + 1)]
            tables.append(group.table.assign(file=[f"{formats[0]}/{file}{FORMATS[formats[0]]}" for file in files]))
            for position, file in enumerate(files):
                image = group.subset(np.arange(len(group)) == position)
                if "png" in formats:
                    save_png_grid(image, partial / "png" / f"{file}.png", padding=0, synthetic=True)
                if "nifti" in formats:
                    save_nifti(image, partial / "nifti" / f"{file}.nii.gz")
        if "dicom" in formats:
            save_dicom(store, partial / "dicom")
        index = pd.concat(tables)
        write_csv(index, partial / INDEX)
        (partial / "datalist.json").write_text(json.dumps(_datalist(index), indent=1) + "\n", encoding="utf-8")
    return folder


def _datalist(index: pd.DataFrame) -> Mapping[str, Any]:
    """A MONAI data list of an export: an entry an image, with its path and the columns of its table."""
    entries = []
    for row in json.loads(index.to_json(orient="records")):
        known = {key: value for key, value in row.items() if value is not None and key != "file"}
        entries.append({"image": row["file"], **known, "synthetic": True})
    return {"description": SYNTHETIC_NOTE, "samples": entries}
