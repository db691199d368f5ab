"""Read a volume, NIfTI or DICOM, once, with the affine that its header really means."""

import os
from collections.abc import Hashable, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import nibabel as nib
import numpy as np
import torch
from monai.config import KeysCollection
from monai.data import MetaTensor
from monai.transforms import MapTransform

from monai_minority.data.dicom_header import DicomHeader
from monai_minority.data.dicom_series import group_series
from monai_minority.data.dicom_volume import read_dicom_volume
from monai_minority.data.listing import walk
from monai_minority.keys import Key

FORMS = ("sform", "qform")
_NIFTI = (".nii", ".nii.gz", ".hdr", ".hdr.gz", ".img", ".img.gz")
_TO_MM = {"meter": 1e3, "micron": 1e-3}


class LoadVolumed(MapTransform):
    """Load volumes as float32 ``MetaTensor`` ``[1, X, Y, Z]`` of measured values, with an affine to mm in RAS.

    A path may be a NIfTI file (``.nii``, ``.nii.gz``, or either of ``.hdr`` and ``.img``), a folder with one DICOM
    series, or a file of a series; of the latter the key ``files`` names the others, and without it they are looked for
    in the same folder. Every file is read once.

    Args:
        keys: keys that hold paths.
        volume_index: which volume of a 4-D series to take, from 0; the others are not decoded. ``None``: a series
            raises. Single volumes ignore it.
        form: which affine of a NIfTI header to believe, ``"sform"`` or ``"qform"``, where both are given. ``None``: the
            sform, as other programs do, unless they name different directions, which raises.

    Raises:
        ValueError: no such image, a damaged one, an Analyze file (it does not say left from right), an affine that
            contradicts the voxel sizes, or what
            :func:`~monai_minority.data.read_dicom_volume` refuses.
    """

    def __init__(
        self, keys: KeysCollection = "image", volume_index: int | None = None, form: str | None = None
    ) -> None:
        super().__init__(keys)
        if volume_index is not None and volume_index < 0:
            raise ValueError(f"volume_index must not be negative, got {volume_index}")
        if form not in (None, *FORMS):
            raise ValueError(f"form must be one of {', '.join(FORMS)}, got {form!r}")
        self.volume_index = volume_index
        self.form = form

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        result = dict(data)
        for key in self.key_iterator(result):
            path = Path(result[key])
            if path.name.lower().endswith(_NIFTI):
                voxels, affine = self._nifti(path)
            else:
                voxels, affine = read_dicom_volume(_series(path, result.get(Key.FILES)), self.volume_index)
            tensor = torch.from_numpy(voxels)[None]
            # The path stays out of the metadata: it may identify, and what follows has no use for it.
            result[key] = MetaTensor(tensor, affine=torch.from_numpy(affine))
        return result

    def _nifti(self, path: Path) -> tuple[np.ndarray, np.ndarray]:
        try:
            image = cast(Any, nib.load(path))
        except nib.filebasedimages.ImageFileError:
            raise ValueError("no reader recognises the file: it is damaged or not what its name says") from None
        if not isinstance(image, nib.Nifti1Pair):
            raise ValueError("an Analyze file does not say left from right; convert it to NIfTI")
        shape = [size for number, size in enumerate(image.shape) if number < 3 or size > 1]
        if len(shape) not in (3, 4):
            raise ValueError(f"the image has {len(shape)} dimensions, a volume has 3")
        affine = self._affine(image)
        if len(shape) == 3:
            return image.get_fdata(dtype=np.float32, caching="unchanged").reshape(shape), affine
        if self.volume_index is None:
            raise ValueError(f"the image is 4-D, a series of {shape[3]} volumes; choose one with volume_index")
        if self.volume_index >= shape[3]:
            raise ValueError(f"volume_index is {self.volume_index}, the series has {shape[3]} volumes")
        chosen = tuple(
            self.volume_index if axis > 2 and size > 1 else slice(None) for axis, size in enumerate(image.shape)
        )
        return np.array(image.dataobj[chosen], dtype=np.float32).reshape(shape[:3]), affine

    def _affine(self, image: Any) -> np.ndarray:
        header = image.header
        sform, qform = header.get_sform(coded=True)[0], _qform(header)
        if self.form == "qform" and qform is None:
            raise ValueError("form is qform, the header has none")
        affine = qform if self.form == "qform" else image.affine
        affine = np.array(affine, dtype=np.float64)
        if self.form is None and _usable(sform) and _usable(qform):
            ours, theirs = ("".join(nib.aff2axcodes(form)) for form in (sform, qform))
            if ours != theirs:
                raise ValueError(
                    f"the header's sform and qform name different directions ({ours}, {theirs}); choose one with form"
                )
        spacing = np.linalg.norm(affine[:3, :3], axis=0)
        if _usable(affine) and not np.allclose(spacing, header.get_zooms()[:3], rtol=1e-2, atol=1e-3):
            raise ValueError("the affine and the voxel sizes of the header contradict each other; correct the header")
        affine[:3] *= _TO_MM.get(header.get_xyzt_units()[0], 1.0)
        return affine


def _qform(header: Any) -> np.ndarray | None:
    try:
        return header.get_qform(coded=True)[0]
    except (ValueError, nib.spatialimages.HeaderDataError):  # quaternions that are none
        return None


def _usable(affine: np.ndarray | None) -> bool:
    return affine is not None and bool(np.isfinite(affine).all() and abs(np.linalg.det(affine[:3, :3])) > 1e-9)


def _series(path: Path, known: Sequence[str] | None) -> Sequence[str | os.PathLike[str]]:
    """The files of the DICOM series that a path stands for."""
    if isinstance(known, list | tuple) and known:
        return known
    if path.is_dir():
        series, rejected = group_series(walk(path, ("",), []), num_workers=0)
        sound = [one for one in series if not one.problem]
        if len(sound) != 1:
            reasons = [one.problem for one in series if one.problem] or [entry.reason for entry in rejected[:1]]
            why = f" ({'; '.join(reasons[:2])})" if reasons and not sound else ""
            raise ValueError(f"the folder must hold one usable DICOM series, it holds {len(sound)}{why}")
        return sound[0].files
    uid = DicomHeader.read(path).series
    siblings = (file for file in walk(path.parent, ("",), []) if file.parent == path.parent)
    series, _ = group_series(siblings, num_workers=0)
    return next(one.files for one in series if one.uid == uid)
