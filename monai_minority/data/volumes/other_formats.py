"""Read volumes that are neither NIfTI nor DICOM: MGH of FreeSurfer, NRRD and MetaImage."""

import math
import os
import re
from pathlib import Path
from typing import Any, cast

import nibabel as nib
import numpy as np

from monai_minority.data.paths import checked_size
from monai_minority.data.volumes.claims import MAX_DEFLATE, check_fits, chosen_volume
from monai_minority.extras import from_extra
from monai_minority.keys import SYNTHETIC_NOTE, SYNTHETIC_REFUSAL

ENDINGS = (".mgz", ".mgh", ".mgh.gz", ".nrrd", ".nhdr", ".mha", ".mhd")
_MGH = (".mgz", ".mgh", ".mgh.gz")
_LONGEST_HEADER = 1 << 20
_LPS_TO_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])


def read_other_volume(
    path: str | os.PathLike[str], volume_index: int | None = None, max_bytes: int = 1 << 30
) -> tuple[np.ndarray, np.ndarray]:
    """Read a volume of FreeSurfer (``.mgz``, ``.mgh``), a NRRD (``.nrrd``, ``.nhdr``) or a MetaImage (``.mha``,
    ``.mhd``). The size that the header claims is checked before memory is allocated.

    Args:
        path: the file; of ``.nhdr`` and ``.mhd`` the header, with its voxels beside it.
        volume_index: number of the volume in a series, from 0. Single volumes ignore it.
        max_bytes: size of the largest volume that is read, as float32.

    Returns:
        float32 voxels ``[X, Y, Z]`` and the float64 affine ``[4, 4]`` to mm in RAS.

    Raises:
        ValueError: the file is damaged, holds colours or a flat picture, states no position, is a series without a
            valid ``volume_index``, or is too large.
        OSError: the file cannot be opened.

    Example:
        >>> import tempfile
        >>> import nibabel, numpy as np
        >>> from monai_minority.data.volumes.other_formats import read_other_volume
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     image = nibabel.MGHImage(np.ones((2, 3, 4), np.float32), np.diag([2.0, 2.0, 3.0, 1.0]))
        ...     nibabel.save(image, f"{folder}/scan.mgz")
        ...     voxels, affine = read_other_volume(f"{folder}/scan.mgz")
        >>> voxels.shape, affine.diagonal().tolist()
        ((2, 3, 4), [2.0, 2.0, 3.0, 1.0])
    """
    path = Path(path)
    checked_size(path)
    reader = _mgh if path.name.lower().endswith(_MGH) else _itk
    return reader(path, volume_index, max_bytes)


def _mgh(path: Path, volume_index: int | None, max_bytes: int) -> tuple[np.ndarray, np.ndarray]:
    try:
        image = cast(Any, nib.load(path))
        shape, kind, size = image.shape, image.get_data_dtype().kind, image.get_data_dtype().itemsize
    except Exception:  # any error means a damaged file; nibabel's message is dropped because it quotes paths
        raise ValueError("the file is damaged, or is no MGH volume") from None
    if not isinstance(image, nib.MGHImage) or kind not in "iuf":
        raise ValueError("the file is damaged, or is no MGH volume")
    if not image.header["goodRASFlag"]:
        raise ValueError("the header states no orientation (goodRASFlag is 0); write it with mri_convert")
    _check(shape[:3], math.prod(shape) * size, path.stat().st_size, path.suffix.lower() != ".mgh", max_bytes)
    number = chosen_volume(shape[3] if len(shape) > 3 else 1, volume_index)
    try:
        values = image.dataobj[..., number] if len(shape) > 3 else np.asanyarray(image.dataobj)
    except Exception:
        raise ValueError("the file is truncated or its compressed data is damaged") from None
    return np.require(values, np.float32, ["W", "F"]), np.array(image.affine, np.float64)


def _itk(path: Path, volume_index: int | None, max_bytes: int) -> tuple[np.ndarray, np.ndarray]:
    sitk = from_extra("SimpleITK", "n4", "NRRD and MetaImage volumes")
    reader = sitk.ImageFileReader()
    reader.SetFileName(str(path))
    # By the ending in any case, which ITK itself compares with its own spelling.
    reader.SetImageIO("NrrdImageIO" if path.suffix.lower() in (".nrrd", ".nhdr") else "MetaImageIO")
    stored = _stored(path)
    try:
        reader.ReadImageInformation()
    except RuntimeError:  # ITK's message has its source lines and the path
        raise ValueError("the header is damaged, or the file with the voxels is not beside it") from None
    if any(reader.GetMetaData(key).startswith(SYNTHETIC_NOTE[:10]) for key in reader.GetMetaDataKeys()):
        raise ValueError(SYNTHETIC_REFUSAL)
    size, axes = list(reader.GetSize()), reader.GetDimension()
    if axes not in (3, 4):
        raise ValueError(f"a volume must have 3 dimensions, but the image has {axes}")
    channels = reader.GetNumberOfComponents()
    _check(size[:3], math.prod(size) * channels, stored, True, max_bytes)
    if channels > 1 and axes == 4:
        raise ValueError("the voxels are vectors in a series, not measured values")
    number = chosen_volume(size[3] if axes == 4 else channels, volume_index)
    try:
        if axes == 4:
            reader.SetExtractIndex([0, 0, 0, number])
            reader.SetExtractSize([*size[:3], 0])
        image = reader.Execute()
        if channels > 1:
            image = sitk.VectorIndexSelectionCast(image, number)
        values = sitk.GetArrayFromImage(image)
    except RuntimeError:
        raise ValueError("the file is truncated or damaged: its voxels cannot be read") from None
    affine = np.eye(4)
    directions = np.array(image.GetDirection()).reshape(3, 3)
    affine[:3, :3] = directions * np.array(image.GetSpacing())
    affine[:3, 3] = image.GetOrigin()
    return np.require(values.T, np.float32, ["W"]), _LPS_TO_RAS @ affine


def _stored(path: Path) -> int:
    """Bytes of the file and of the one that its header names for the voxels, which must lie beside or below it: a
    header could otherwise name any file of the machine, or a pipe."""
    with path.open("rb") as opened:
        header = opened.read(_LONGEST_HEADER)
    if path.suffix.lower() in (".nrrd", ".nhdr"):
        header = re.split(rb"\r?\n\r?\n", header, maxsplit=1)[0]
    size = path.stat().st_size
    for found in re.finditer(rb"(?im)^\s*(?:data ?file\s*:=?|ElementDataFile\s*=)\s*(.*?)\s*$", header):
        named = Path(os.fsdecode(found[1]))
        if str(named) == "LOCAL":
            break
        if named.is_absolute() or ".." in named.parts:
            raise ValueError("the header names a file with the voxels that is not beside it, which is not read")
        try:
            size += checked_size(path.parent / named)
        except (ValueError, OSError) as error:
            reason = getattr(error, "strerror", None) or error
            raise ValueError(f"the file with the voxels cannot be read: {reason}") from None
    return size


def _check(shape: Any, claimed: int, on_disk: int, compressed: bool, max_bytes: int) -> None:
    if len(shape) < 3 or min(shape) < 1:
        raise ValueError(f"the header claims {' x '.join(map(str, shape))} voxels; it is damaged or no volume")
    if claimed > (MAX_DEFLATE if compressed else 1) * on_disk:
        raise ValueError(f"the header claims {claimed:.4g} bytes of voxels, but {on_disk} bytes cannot hold them")
    check_fits(math.prod(shape), max_bytes)
