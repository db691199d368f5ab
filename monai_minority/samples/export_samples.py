"""Export a sample set to one folder of files for other programs."""

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from monai_minority.data.store.image_store import ImageStore
from monai_minority.files import whole_folder
from monai_minority.keys import SYNTHETIC_NOTE
from monai_minority.samples.export import check_synthetic, save_nifti, save_png_grid
from monai_minority.samples.export_dicom import save_dicom
from monai_minority.samples.groups import sample_groups

FORMATS = ("png", "nifti", "dicom")
INDEX = "images.csv"


def export_samples(store: ImageStore, folder: str | os.PathLike[str], formats: Sequence[str] = FORMATS) -> Path:
    """Write a sample set as PNG pictures, NIfTI volumes and DICOM series, separated by class.

    ``<folder>/png/<class>/000001.png …`` has one picture per image, ``nifti/<class>.nii.gz`` one volume per class with
    one slice per image (:func:`save_nifti`), and ``dicom/<class>/000001.dcm …`` one series per class
    (:func:`save_dicom`). Classes are named as in :func:`sample_groups`. ``images.csv`` is the table of the store with
    the column ``file``, a name without the folder of the format and without ending, and ``datalist.json`` a MONAI data
    list of the pictures (of DICOM files or of NIfTI volumes with the number of the ``slice``, where there are no
    pictures). All files are marked as synthetic.

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
        ['nifti/class_3.nii.gz', 'png/class_3']
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
            tables.append(group.table.assign(file=files))
            if "png" in formats:
                for position, file in enumerate(files):
                    image = group.batch([position])
                    save_png_grid(image, partial / "png" / f"{file}.png", padding=0, synthetic=True)
            if "nifti" in formats:
                save_nifti(group, partial / "nifti" / f"{name}.nii.gz")
        if "dicom" in formats:
            save_dicom(store, partial / "dicom")
        index = pd.concat(tables)
        index.to_csv(partial / INDEX, index=False)
        (partial / "datalist.json").write_text(json.dumps(_datalist(index, formats), indent=1) + "\n", encoding="utf-8")
    return folder


def _datalist(index: pd.DataFrame, formats: Sequence[str]) -> Mapping[str, Any]:
    """A MONAI data list of an export: an entry an image, with its path and the columns of its table."""
    places = {"png": "png/{}.png", "dicom": "dicom/{}.dcm"}
    place = next((places[name] for name in places if name in formats), "")
    entries = []
    for row in json.loads(index.to_json(orient="records")):
        file = row.pop("file")
        name, _, number = file.rpartition("/")
        where = {"image": place.format(file)} if place else {"image": f"nifti/{name}.nii.gz", "slice": int(number) - 1}
        entries.append({**where, **{key: value for key, value in row.items() if value is not None}, "synthetic": True})
    return {"description": SYNTHETIC_NOTE, "samples": entries}
