"""Load a volume of any format that is read, with its checked affine."""

import os
from collections.abc import Hashable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from monai.config import KeysCollection
from monai.data import MetaTensor
from monai.transforms import MapTransform

from monai_minority.data.paths import walk
from monai_minority.data.volumes.dicom.header import DicomHeader
from monai_minority.data.volumes.dicom.series import group_series
from monai_minority.data.volumes.dicom.volume import read_dicom_volume
from monai_minority.data.volumes.nifti import FORMS, MAX_BYTES, UnknownOrientationError, read_nifti_volume
from monai_minority.data.volumes.other_formats import ENDINGS, read_other_volume
from monai_minority.keys import Key

_AXES = {"L": "L", "R": "L", "P": "P", "A": "P", "I": "I", "S": "I"}
_NIFTI = (".nii", ".nii.gz", ".hdr", ".hdr.gz", ".img", ".img.gz")


class LoadVolumed(MapTransform):
    """Load volumes as float32 ``MetaTensor`` ``[1, X, Y, Z]`` of measured values, with an affine to mm in RAS.

    A path may be a NIfTI file (``.nii``, ``.nii.gz``, or either of ``.hdr`` and ``.img``), a volume in a format of
    :func:`~monai_minority.data.volumes.other_formats.read_other_volume`, a folder with one DICOM
    series, or one file of a series. For the latter, the key ``files`` lists all files of the series; without it, they
    are searched in the same folder. The voxels of each file are read once.

    Args:
        keys: keys that hold paths.
        volume_index: number of the volume in a 4-D series, from 0. The other volumes are not decoded. ``None``: a
            series raises. Single volumes ignore it.
        form: the affine to use if a NIfTI header has both, ``"sform"`` or ``"qform"``. ``None``: the sform, as in
            other programs; an error is raised if the two describe different directions.
        orientation: directions of the voxel axes, such as ``"RAS"``, of NIfTI headers that have neither. ``None``: such
            volumes raise. Where it was assumed, the result has the key ``orientation_assumed``.
        max_bytes: size of the largest volume that is read, as float32. Reading takes up to three times that.

    Raises:
        ValueError: see :func:`~monai_minority.data.read_nifti_volume` and
            :func:`~monai_minority.data.read_dicom_volume`.

    Example:
        >>> import shutil, tempfile
        >>> from pydicom import examples
        >>> from monai_minority.transforms import LoadVolumed
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     copied = shutil.copy(examples.get_path("mr"), folder)
        ...     volume = LoadVolumed()({"image": folder})["image"]
        >>> volume.shape, volume.affine.diagonal().round(decimals=4).tolist()
        (torch.Size([1, 64, 64, 1]), [-0.3125, -0.3125, 0.8, 1.0])
    """

    def __init__(
        self,
        keys: KeysCollection = "image",
        volume_index: int | None = None,
        form: str | None = None,
        orientation: str | None = None,
        max_bytes: int = MAX_BYTES,
    ) -> None:
        super().__init__(keys)
        if volume_index is not None and volume_index < 0:
            raise ValueError(f"volume_index must not be negative, got {volume_index}")
        if form not in (None, *FORMS):
            raise ValueError(f"form must be one of {', '.join(FORMS)}, got {form!r}")
        if orientation is not None and sorted(_AXES.get(letter, "") for letter in orientation) != sorted("LPI"):
            raise ValueError(f"orientation must have one of L and R, of P and A, and of I and S, got {orientation!r}")
        self.volume_index = volume_index
        self.form = form
        self.orientation = orientation
        self.max_bytes = max_bytes

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        result = dict(data)
        for key in self.key_iterator(result):
            path = Path(result[key])
            if path.name.lower().endswith(_NIFTI):
                try:
                    voxels, affine = read_nifti_volume(path, self.volume_index, self.form, self.max_bytes)
                except UnknownOrientationError:
                    if self.orientation is None:
                        raise
                    options = (self.volume_index, self.form, self.max_bytes, self.orientation)
                    voxels, affine = read_nifti_volume(path, *options)
                    result[Key.ORIENTATION_ASSUMED] = True
            elif path.name.lower().endswith(ENDINGS):
                voxels, affine = read_other_volume(path, self.volume_index, self.max_bytes)
            else:
                voxels, affine = read_dicom_volume(
                    _series(path, result.get(Key.FILES)), self.volume_index, self.max_bytes
                )
            tensor = torch.from_numpy(voxels)[None]
            # The path may be identifying, so it stays out of the metadata, which later steps may pass on.
            result[Key.PATH] = str(path)
            result[key] = MetaTensor(tensor, affine=torch.from_numpy(affine))
        return result


def _series(path: Path, known: Sequence[str] | None) -> Sequence[str | os.PathLike[str]]:
    """The files of the DICOM series at a path."""
    if isinstance(known, list | tuple) and known:
        return known
    if path.is_dir():
        series, rejected = group_series(walk(path, ("",), []), num_workers=0)
        sound = [one for one in series if not one.problem]
        if len(sound) != 1:
            reasons = [one.problem for one in series if one.problem] or [entry.reason for entry in rejected[:1]]
            why = f" ({'; '.join(reasons[:2])})" if reasons and not sound else ""
            raise ValueError(f"the folder must hold one usable DICOM series, got {len(sound)}{why}")
        return sound[0].files
    header = DicomHeader.read(path)
    siblings = (file for file in walk(path.parent, ("",), []) if file.parent == path.parent)
    series, _ = group_series(siblings, num_workers=0)
    for one in series:
        if str(path) in one.files:
            return one.files
        if str(path) in dict(one.left_out):
            raise ValueError(f"the file is not part of the volume of its series: {dict(one.left_out)[str(path)]}")
    return next(one.files for one in series if one.uid == header.series)
