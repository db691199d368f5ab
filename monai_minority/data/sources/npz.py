"""Images in ``.npz`` archives in the format of guided-diffusion's samples and reference batches."""

import tempfile
import weakref
import zipfile
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np
from numpy.lib import format as npy

from monai_minority.data.cohort.cohort import Cohort
from monai_minority.data.paths import Rejection
from monai_minority.data.sources.layout import ArrayImages, PathLike, array_cohort, existing_set, not_there

LAYOUT = "an .npz file, or a folder of them, with images arr_0 (uint8 [N, H, W, C]) and optionally labels arr_1 ([N])"


def npz(path: PathLike, max_images: int | None = None) -> Cohort:
    """Images ``arr_0`` and optional class labels ``arr_1`` of one archive, or of all archives in a folder.

    Args:
        path: the file or folder.
        max_images: largest number of images. ``None`` keeps all.

    Returns:
        A cohort without splits. If every archive has labels, it has ``class_label``, and ``group`` as the same number
        in text. An unusable archive is rejected with its reason.

    Raises:
        FileNotFoundError: there is no usable archive. The message shows the expected layout.

    Example:
        >>> import tempfile, numpy as np
        >>> from monai_minority.data.sources import npz
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     np.savez(f"{folder}/samples.npz", np.zeros((3, 8, 8, 3), np.uint8), np.array([4, 0, 4]))
        ...     cohort = npz(f"{folder}/samples.npz")
        >>> cohort.table["class_label"].tolist(), cohort.images[2].shape
        ([4, 0, 4], (8, 8, 3))
    """
    path = existing_set(path, "an archive of images", LAYOUT)
    files = sorted(path.glob("*.npz")) if path.is_dir() else [path]
    rejected: list[Rejection] = []
    parts, labels, unlabelled = [], [], 0
    for file in files:
        try:
            images = map_member(file, "arr_0")
            if images.dtype != np.uint8 or images.ndim not in (3, 4) or (images.ndim == 4 and images.shape[3] != 3):
                raise ValueError(f"arr_0 must be uint8 [N, H, W, 3] or [N, H, W], got {images.dtype} {images.shape}")
            if "arr_1" in members(file):
                labels.append(read_labels(file, "arr_1", len(images)))
            else:
                unlabelled += 1
        except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
            rejected.append(Rejection(str(file), "", str(error)))
            continue
        parts.append(partial(map_member, file, "arr_0"))
    if not parts:
        raise not_there(path, "archive of images", LAYOUT, rejected)
    classes = None if unlabelled else np.concatenate(labels)
    return array_cohort(ArrayImages(parts), [None], classes, rejected, max_images=max_images)


def members(file: Path) -> Sequence[str]:
    """Names of the arrays in an archive."""
    with zipfile.ZipFile(file) as archive:
        return [name.removesuffix(".npy") for name in archive.namelist()]


def read_labels(file: Path, name: str, count: int) -> np.ndarray:
    """Read whole numbers ``[count]`` from an archive.

    Raises:
        ValueError: the array has another shape or dtype.
    """
    with np.load(file, allow_pickle=False) as archive:
        labels = archive[name]
    if labels.shape != (count,) or labels.dtype.kind not in "iu":
        raise ValueError(f"{name} must be {count} whole numbers, got {labels.dtype} {labels.shape}")
    return labels.astype(np.int64)


def map_member(file: Path, name: str) -> np.ndarray:
    """One array of an ``.npz`` file as a memory map, of any size.

    An uncompressed array, as ``numpy.savez`` writes it, is mapped inside the archive. A compressed array is unpacked
    to a temporary file, which is deleted together with the array.

    Raises:
        KeyError: the archive has no such array.
        ValueError: the array holds Python objects.
    """
    with zipfile.ZipFile(file) as archive:
        if f"{name}.npy" not in archive.namelist():
            raise KeyError(f"{file.name} must hold {name}, got {', '.join(archive.namelist())}")
        info = archive.getinfo(f"{name}.npy")
        with archive.open(info) as member:
            version = npy.read_magic(member)
            read_header = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
            shape, column_major, dtype = read_header(member)
            if dtype.hasobject:
                raise ValueError(f"{name} must be an array of numbers, got Python objects, which are not read")
            if info.compress_type == zipfile.ZIP_STORED:
                with file.open("rb") as opened:
                    opened.seek(info.header_offset + 26)  # lengths of the name and of the extra field
                    lengths = np.frombuffer(opened.read(4), "<u2")
                source, offset = file, info.header_offset + 30 + int(lengths.sum()) + member.tell()
            else:
                folder = tempfile.TemporaryDirectory(prefix="monai_minority_")
                source, offset = Path(folder.name) / "array", 0
                with source.open("wb") as unpacked:
                    while block := member.read(1 << 24):
                        unpacked.write(block)
    array = np.memmap(source, dtype, "r", offset, shape, "F" if column_major else "C")
    if source != file:
        weakref.finalize(array, folder.cleanup)
    return array
