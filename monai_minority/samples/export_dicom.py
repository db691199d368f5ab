"""Export generated images as DICOM series that viewers and archives accept and that are clearly marked as synthetic."""

import os
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from pydicom.sr.codedict import codes

from monai_minority.data.store.image_store import ImageStore
from monai_minority.extras import from_extra
from monai_minority.files import whole_file
from monai_minority.keys import SYNTHETIC_NOTE, Column
from monai_minority.samples.export import axis_of, check_synthetic, spacing_of
from monai_minority.samples.groups import sample_groups
from monai_minority.samples.plan import UNGUIDED
from monai_minority.version import __version__

if TYPE_CHECKING:
    from highdicom import ContributingEquipment
    from highdicom.sc import SCImage

PATIENT_NAME = "SYNTHETIC^NOT A PATIENT"
MANUFACTURER = "monai_minority"
# Body directions of a row and of a column of pixels in the slice orientation of ExtractSlicesd.
_ORIENTATIONS = {"axial": ("L", "P"), "coronal": ("L", "F"), "sagittal": ("P", "F")}
_SHORT_TEXT, _LONG_STRING = 1024, 64  # largest number of characters in ST and in LO
_BATCH = 256


def save_dicom(store: ImageStore, folder: str | os.PathLike[str]) -> list[Path]:
    """Write generated images as DICOM Secondary Capture images, one study per store and one series per class.

    The files have no patient data: no attribute comes from a real image, all UIDs are new in each call, and the
    patient is named :data:`PATIENT_NAME`. No text is drawn into the pixels. These attributes describe the origin:

    - Synthetic Data (0008,001C) ``YES``, Image Type (0008,0008) ``DERIVED\\SECONDARY\\OTHER``, Conversion Type
      (0008,0064) ``SYN``, Burned In Annotation (0028,0301) ``NO``;
    - Image Comments (0020,4000): ``SYNTHETIC: …; target_class=3; guidance_scale=2; seed=17``, from the columns of the
      table as far as they exist. Series Description (0008,103E) has class and scale as well;
    - Contributing Equipment Sequence (0018,A001), one item with the purpose "Synthesizing Equipment": Manufacturer's
      Model Name and Software Versions are those of this package, and Contribution Description (0018,A003) has the
      settings in the store (networks with the hashes of their weights, sampler, steps, …) as ``name=value; …``.

    uint8 pixels are written as stored. Other types are scaled from the value range to 16 bits (colour: 8 bits). The
    window is the whole value range, so that images of a series can be compared. Pixel Spacing (0028,0030) is the
    ``pixel_spacing_mm`` of the geometry, if present. Without an ``axis`` slices are treated as axial.

    Args:
        store: synthetic images with 1 or 3 channels, a store or a subset of one.
        folder: output folder. Files are ``<folder>/<class>/000001.dcm …``; existing files are replaced.

    Returns:
        The files, series by series, in the order of the store.

    Raises:
        ModuleNotFoundError: highdicom is not installed.
        ValueError: the store is not marked as synthetic or has another number of channels, or ``geometry`` has an
            invalid axis or spacing.

    Example:
        >>> import tempfile, numpy as np
        >>> import pydicom
        >>> from monai_minority.data import ImageStore
        >>> from monai_minority.samples import save_dicom
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     pixels, table = np.zeros((1, 1, 8, 8), np.uint8), {"target_class": [3], "seed": [17]}
        ...     store = ImageStore.create(f"{folder}/store", pixels, table, (0, 255), synthetic=True)
        ...     (file,) = save_dicom(store, f"{folder}/dicom")
        ...     image = pydicom.dcmread(file)
        >>> str(image.PatientName), image.SyntheticData, image.ImageComments.partition("; ")[2]
        ('SYNTHETIC^NOT A PATIENT', 'YES', 'target_class=3; seed=17')
    """
    highdicom, sc = _highdicom(), _highdicom("highdicom.sc")
    check_synthetic(store)
    if store.image_shape[0] not in (1, 3):
        raise ValueError(f"{store.path} must have 1 or 3 channels for DICOM, got {store.image_shape[0]}")
    now = datetime.now().replace(microsecond=0)
    study: dict[str, Any] = {
        "study_instance_uid": highdicom.UID(),
        "study_id": "SYNTHETIC",
        "study_date": now.date(),
        "study_time": now.time(),
        "patient_id": f"SYNTHETIC-{store.content_hash[:12]}",
        "patient_name": PATIENT_NAME,
        "manufacturer": MANUFACTURER,
        "manufacturer_model_name": MANUFACTURER,
        "software_versions": __version__,
        "coordinate_system": "PATIENT",
        "patient_orientation": _ORIENTATIONS[axis_of(store)],
        "pixel_spacing": spacing_of(store),
        "photometric_interpretation": "MONOCHROME2" if store.image_shape[0] == 1 else "RGB",
        "contributing_equipment": [_equipment(store, now)],
    }
    paths = []
    for number, (name, series) in enumerate(sample_groups(store).items(), start=1):
        uid, table = highdicom.UID(), series.table
        for position, pixels in enumerate(_pixels(series), start=1):
            image = sc.SCImage(
                pixels,
                bits_allocated=8 * pixels.itemsize,
                series_instance_uid=uid,
                series_number=number,
                sop_instance_uid=highdicom.UID(),
                instance_number=position,
                **study,
            )
            _describe(image, store, name, table.iloc[position - 1])
            path = Path(folder) / name / f"{position:06d}.dcm"
            with whole_file(path) as partial:
                image.save_as(partial, enforce_file_format=True)
            paths.append(path)
    return paths


def _highdicom(module: str = "highdicom") -> Any:
    return from_extra(module, "dicom", "writing DICOM files")


def _describe(image: "SCImage", store: ImageStore, name: str, row: pd.Series) -> None:
    """Add optional attributes of a Secondary Capture image that highdicom has no arguments for."""
    image.SyntheticData = "YES"
    image.Laterality = ""  # required, possibly empty, if no body part is given
    image.ConversionType = "SYN"
    image.BurnedInAnnotation = "NO"
    image.StudyDescription = f"SYNTHETIC images, set {store.path.name}"[:_LONG_STRING]
    scale = f", scale {row[Column.SCALE]:g}" if name != "unguided" and Column.SCALE in row else ""
    image.SeriesDescription = f"SYNTHETIC, {name.split('_scale_')[0].replace('_', ' ')}{scale}"[:_LONG_STRING]
    image.DerivationDescription = "Generated by a diffusion model; see Image Comments and Contributing Equipment"
    columns = [c for c in (Column.TARGET_CLASS, Column.SCALE, Column.SEED, Column.CLASS_LABEL) if c in row]
    guided = row.get(Column.TARGET_CLASS, UNGUIDED) != UNGUIDED
    values = [f"{column.value}={row[column]:g}" for column in columns if guided or column != Column.TARGET_CLASS]
    image.ImageComments = "; ".join([SYNTHETIC_NOTE, *values])
    if image.SamplesPerPixel == 1:
        low, high = store.value_range if store.dtype == np.uint8 else (0, 2**16 - 1)
        image.WindowCenter, image.WindowWidth = f"{(low + high + 1) / 2:g}", f"{high - low + 1:g}"


def _equipment(store: ImageStore, now: datetime) -> "ContributingEquipment":
    """This package and the settings of the samples. Values that look like a path are left out."""
    settings = [
        f"{name}={value}"
        for name, value in store.meta.items()
        if isinstance(value, str | int | float) and not set("/\\") & set(str(value))
    ]
    return _highdicom().ContributingEquipment(
        manufacturer=MANUFACTURER,
        purpose_of_reference=codes.DCM.SynthesizingEquipment,
        manufacturer_model_name=MANUFACTURER,
        software_versions=__version__,
        contribution_datetime=now,
        contribution_description="; ".join(settings).encode("ascii", "replace").decode()[:_SHORT_TEXT] or None,
    )


def _pixels(store: ImageStore) -> Iterator[np.ndarray]:
    """Yield images ``[H, W]`` or ``[H, W, 3]`` of unsigned integers, with one batch in memory."""
    grey = store.image_shape[0] == 1
    for start in range(0, len(store), _BATCH):
        unit = store.batch(slice(start, start + _BATCH)).double().add(1).div(2)
        if store.dtype == np.uint8:
            low, high = store.value_range
            values = unit.mul(high - low).add(low)
        else:
            values = unit.mul(2**16 - 1 if grey else 255)
        integers = values.round().numpy().astype(np.uint8 if store.dtype == np.uint8 or not grey else np.uint16)
        yield from integers[:, 0] if grey else integers.transpose(0, 2, 3, 1)
