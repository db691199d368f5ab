"""Read the voxels of a DICOM series."""

import os
from collections.abc import Sequence

import numpy as np
from pydicom.dataset import Dataset
from pydicom.pixels import get_decoder, pixel_array
from pydicom.uid import UID

from monai_minority.data.volumes.claims import check_fits, chosen_volume
from monai_minority.data.volumes.dicom.header import MAX_BYTES, DicomHeader, read_dicom
from monai_minority.data.volumes.dicom.reading import quiet
from monai_minority.data.volumes.dicom.stack import stack_frames


def read_dicom_volume(
    files: Sequence[str | os.PathLike[str]], volume_index: int | None = None, max_bytes: int = MAX_BYTES
) -> tuple[np.ndarray, np.ndarray]:
    """Read the volume of a series. Each file is read once.

    The rescale slope and intercept of each frame convert stored values to measured ones. If low values are white
    (MONOCHROME1), the range is inverted. Unevenly spaced slices are interpolated linearly to even spacing.

    Args:
        files: all files of one series, in any order.
        volume_index: number of the volume, from 0, if each position was imaged several times.
        max_bytes: size of the largest volume that is read, as float32.

    Returns:
        float32 voxels ``[columns, rows, slices]`` and the float64 affine ``[4, 4]`` to mm in RAS.

    Raises:
        ValueError: a file is damaged; the files do not form a volume (see
            :func:`~monai_minority.data.volumes.dicom.stack.stack_frames`); there are several volumes, without a valid
            ``volume_index``; or the volume is too large.

    Example:
        >>> from pydicom import examples
        >>> from monai_minority.data import read_dicom_volume
        >>> voxels, affine = read_dicom_volume([examples.get_path("mr")])
        >>> voxels.shape, affine.diagonal().round(4).tolist()
        ((64, 64, 1), [-0.3125, -0.3125, 0.8, 1.0])
    """
    read: list[tuple[Dataset, DicomHeader]] = []
    held = 0
    for file in files:
        read.append(read_dicom(file, max_bytes))
        held += len(read[-1][0].PixelData)
        if held > max_bytes:
            raise ValueError(f"the series has more than the {max_bytes} bytes of pixels allowed; raise max_volume_gib")
    headers = [header for _, header in read]
    rows, columns = headers[0].matrix
    if any(header.matrix != (rows, columns) for header in headers):
        raise ValueError("mixed matrix sizes in one series")
    geometry = np.concatenate([header.geometry for header in headers])
    counts = [len(header.geometry) for header in headers]
    owners, inner = np.repeat(np.arange(len(read)), counts), np.concatenate([np.arange(count) for count in counts])
    stack = stack_frames(geometry, np.concatenate([header.order for header in headers]), headers[0].thickness)
    chosen = stack.frames[chosen_volume(len(stack.frames), volume_index)]
    check_fits(rows * columns * len(chosen), max_bytes, f"{columns} x {rows} x {len(chosen)}")

    voxels = np.empty((len(chosen), rows, columns), dtype=np.float32)
    with quiet():
        for voxel, frame in zip(voxels, chosen, strict=True):
            dataset = read[owners[frame]][0]
            index = int(inner[frame]) if counts[owners[frame]] > 1 else None
            voxel[...] = _decoded(dataset, index)
            slope, intercept = geometry[frame, 11:]
            if (slope, intercept) != (1, 0):
                voxel *= slope
                voxel += intercept
    if headers[0].inverted:
        np.subtract(voxels.max() + voxels.min(), voxels, out=voxels)
    if not stack.is_even:
        voxels = _even(voxels, stack.places)
    return voxels.transpose(2, 1, 0), stack.affine


def _decoded(dataset: Dataset, index: int | None) -> np.ndarray:
    try:
        return pixel_array(dataset, index=index)
    except Exception as error:  # its message is dropped because it quotes header values, which may be identifying
        syntax = dataset.file_meta.get("TransferSyntaxUID", "")
        kind = UID(syntax).name if syntax and UID(syntax).name != syntax else "an unknown transfer syntax"
        remedy = "" if _has_decoder(syntax) else '; pip install "monai-minority[dicom]" brings decoders'
        raise ValueError(f"the pixels of a slice cannot be decoded ({kind}, {type(error).__name__}){remedy}") from None


def _has_decoder(syntax: str) -> bool:
    """Whether a decoder is installed; where pydicom knows none at all, no package would help."""
    try:
        return get_decoder(UID(syntax)).is_available
    except NotImplementedError:
        return True


def _even(voxels: np.ndarray, places: np.ndarray) -> np.ndarray:
    """Interpolate slices at the median distance, starting at the first position."""
    step = float(np.median(np.diff(places)))
    wanted = places[0] + step * np.arange(int((places[-1] - places[0]) / step + 1e-6) + 1)
    below = np.clip(np.searchsorted(places, wanted, side="right") - 1, 0, len(places) - 2)
    weight = ((wanted - places[below]) / (places[below + 1] - places[below])).astype(np.float32)[:, None, None]
    return voxels[below] * (1 - weight) + voxels[below + 1] * weight
