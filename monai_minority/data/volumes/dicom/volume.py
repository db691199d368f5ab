"""The voxels of a DICOM series."""

import os
from collections.abc import Sequence

import numpy as np
from pydicom.dataset import Dataset
from pydicom.pixels import pixel_array
from pydicom.uid import UID

from monai_minority.data.volumes.dicom.header import quiet, read_dicom
from monai_minority.data.volumes.dicom.stack import stack_frames


def read_dicom_volume(
    files: Sequence[str | os.PathLike[str]], volume_index: int | None = None, max_bytes: int = 4 << 30
) -> tuple[np.ndarray, np.ndarray]:
    """Read a series, each file once.

    Stored values become measured ones by each frame's own rescale slope and intercept; where low values are white
    (MONOCHROME1) the range is turned around. Slices at uneven distances are interpolated linearly to even ones.

    Args:
        files: of one series, in any order.
        volume_index: which volume, from 0, where each place was imaged several times.
        max_bytes: largest volume that is read.

    Returns:
        float32 voxels ``[columns, rows, slices]`` and the float64 affine ``[4, 4]`` to mm in RAS.

    Raises:
        ValueError: a file is damaged, the files make up no volume (see
            :func:`~monai_minority.data.volumes.dicom.stack.stack_frames`), several ones without ``volume_index``, or
            one that is too large.
    """
    read = [read_dicom(file) for file in files]
    headers = [header for _, header in read]
    rows, columns = headers[0].matrix
    if any(header.matrix != (rows, columns) for header in headers):
        raise ValueError("mixed matrix sizes in one series")
    geometry = np.concatenate([header.geometry for header in headers])
    counts = [len(header.geometry) for header in headers]
    owners, inner = np.repeat(np.arange(len(read)), counts), np.concatenate([np.arange(count) for count in counts])
    stack = stack_frames(geometry, np.concatenate([header.order for header in headers]), headers[0].thickness)
    chosen = stack.frames[_chosen(len(stack.frames), volume_index)]
    if rows * columns * len(chosen) * 4 > max_bytes:
        raise ValueError(f"a volume of {columns} x {rows} x {len(chosen)} voxels exceeds the {max_bytes} bytes allowed")

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
    except Exception as error:  # its text quotes the header's values, and those may identify
        syntax = dataset.file_meta.get("TransferSyntaxUID", "")
        kind = UID(syntax).name if syntax and UID(syntax).name != syntax else "an unknown transfer syntax"
        raise ValueError(f"the pixels of a slice cannot be decoded ({kind}, {type(error).__name__})") from None


def _chosen(count: int, volume_index: int | None) -> int:
    if count == 1:
        return 0
    if volume_index is None:
        raise ValueError(f"the image is 4-D, a series of {count} volumes; choose one with volume_index")
    if volume_index >= count:
        raise ValueError(f"volume_index is {volume_index}, the series has {count} volumes")
    return volume_index


def _even(voxels: np.ndarray, places: np.ndarray) -> np.ndarray:
    """Slices at the median distance, from the first place on."""
    step = float(np.median(np.diff(places)))
    wanted = places[0] + step * np.arange(int((places[-1] - places[0]) / step + 1e-6) + 1)
    below = np.clip(np.searchsorted(places, wanted, side="right") - 1, 0, len(places) - 2)
    weight = ((wanted - places[below]) / (places[below + 1] - places[below])).astype(np.float32)[:, None, None]
    return voxels[below] * (1 - weight) + voxels[below + 1] * weight
