"""Read the voxels and the checked affine of a NIfTI file."""

import gzip
import math
import os
import zlib
from pathlib import Path
from typing import Any, cast

import nibabel as nib
import numpy as np
from isal import igzip, igzip_lib
from nibabel.arrayproxy import ArrayProxy

from monai_minority.keys import SYNTHETIC_NOTE, SYNTHETIC_REFUSAL

FORMS = ("sform", "qform")
_TO_MM = {"meter": 1e3, "micron": 1e-3}
_MAX_DEFLATE = 1032  # largest expansion factor of a deflate stream (zlib's technical details)
_IsalError = cast(type[Exception], igzip_lib.IsalError)
_DAMAGED = "no reader recognises the file: it is damaged, or its ending is wrong"
_CUT = "the file is truncated: its compressed data ends early"


def read_nifti_volume(
    path: str | os.PathLike[str], volume_index: int | None = None, form: str | None = None, max_bytes: int = 4 << 30
) -> tuple[np.ndarray, np.ndarray]:
    """Read a volume. The size claimed by the header is compared with the file size before memory is allocated.

    Args:
        path: a ``.nii`` file or either file of a pair ``.hdr`` and ``.img``, compressed or not.
        volume_index: number of the volume in a 4-D series, from 0. Single volumes ignore it.
        form: the affine to use, ``"sform"`` or ``"qform"``. ``None``: the sform; an error is raised if the two
            describe different directions.
        max_bytes: size of the largest volume that is read, as float32.

    Returns:
        float32 voxels ``[X, Y, Z]`` in the memory order of the file, scaled as the header says, and the float64 affine
        ``[4, 4]`` to mm in RAS.

    Raises:
        ValueError: the file is damaged or truncated; it is an Analyze file (which cannot tell left from right); it has
            colours or complex numbers; it is a series, without a valid ``volume_index``; the affine contradicts the
            voxel sizes; sform and qform describe different directions; the volume is too large; or it bears the mark
            of generated images.
        OSError: the file cannot be opened.

    Example:
        >>> import tempfile
        >>> import nibabel, numpy as np
        >>> from monai_minority.data import read_nifti_volume
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     stored = np.zeros((2, 2, 4), np.int16)
        ...     nibabel.save(nibabel.Nifti1Image(stored, np.diag([2.0, 2.0, 3.0, 1.0])), f"{folder}/scan.nii.gz")
        ...     voxels, affine = read_nifti_volume(f"{folder}/scan.nii.gz")
        >>> voxels.shape, str(voxels.dtype), affine.diagonal().tolist()
        ((2, 2, 4), 'float32', [2.0, 2.0, 3.0, 1.0])
    """
    image = _loaded(Path(path))
    if not isinstance(image, nib.Nifti1Pair):
        raise ValueError("an Analyze file does not say left from right, so it is not read; convert it to NIfTI")
    if image.header["descrip"].tobytes().startswith(SYNTHETIC_NOTE[:10].encode()):
        raise ValueError(SYNTHETIC_REFUSAL)
    proxy, file = cast(Any, image.dataobj), str(image.file_map["image"].filename)
    if proxy.dtype.kind not in "biuf":
        raise ValueError("the voxels are colours or complex numbers, not measured values")
    shape = [size for number, size in enumerate(proxy.shape) if number < 3 or size > 1]
    if len(shape) not in (3, 4):
        raise ValueError(f"a volume must have 3 dimensions, but the image has {len(shape)}")
    if min(shape) < 1:
        raise ValueError(f"the header claims {' x '.join(map(str, shape))} voxels; it is damaged")
    compressed = file.lower().endswith(".gz")
    _check_size(proxy, math.prod(shape[:3]), Path(file).stat().st_size, compressed, max_bytes)
    chosen = _chosen(proxy.shape, shape, volume_index)
    affine = _affine(image, form)
    try:
        if not compressed:
            return _voxels(proxy, chosen, shape), affine
        # ISA-L decompresses several times as fast as the zlib that nibabel uses.
        with igzip.open(file) as opened:
            described = (proxy.shape, proxy.dtype, proxy.offset, proxy.slope, proxy.inter)
            voxels = _voxels(ArrayProxy(opened, described), chosen, shape)
            opened.read(1)  # reading past the end compares the checksum
            return voxels, affine
    except EOFError:
        raise ValueError(_CUT) from None
    except (zlib.error, _IsalError, gzip.BadGzipFile):
        raise ValueError("the compressed data is damaged") from None
    except OSError as error:
        if error.errno is not None:
            raise
        raise ValueError("the file is truncated: it ends before its voxels do") from None


def _loaded(path: Path) -> Any:
    try:
        return cast(Any, nib.load(path))
    except OSError as error:
        if error.errno is not None or isinstance(error, FileNotFoundError):
            raise
    except EOFError:
        raise ValueError(_CUT) from None
    except Exception:  # any other error means a damaged file; nibabel's message is dropped because it quotes paths
        pass
    raise ValueError(_DAMAGED)


def _check_size(proxy: Any, count: int, on_disk: int, compressed: bool, max_bytes: int) -> None:
    claimed = math.prod(proxy.shape) * proxy.dtype.itemsize
    needed = proxy.offset + claimed
    if compressed and needed > _MAX_DEFLATE * on_disk:
        raise ValueError(
            f"the header claims {claimed:.4g} bytes of voxels, but {on_disk} compressed bytes cannot hold them"
        )
    if not compressed and needed > on_disk:
        rest = max(0, on_disk - proxy.offset)
        raise ValueError(f"the file is truncated: it has {rest} of the {claimed} bytes of its voxels")
    if 4 * count > max_bytes:
        raise ValueError(f"a volume of {count} voxels exceeds the {max_bytes} bytes allowed")


def _chosen(own: tuple[int, ...], shape: list[int], volume_index: int | None) -> tuple[Any, ...] | None:
    """Index of the chosen volume in the array of the file, which has shape ``own``; ``None``: all of it."""
    if len(shape) == 3:
        return None
    if volume_index is None:
        raise ValueError(f"the image is 4-D, a series of {shape[3]} volumes; choose one with volume_index")
    if volume_index >= shape[3]:
        raise ValueError(f"volume_index is {volume_index}, but the series has {shape[3]} volumes")
    return tuple(volume_index if axis > 2 and size > 1 else slice(None) for axis, size in enumerate(own))


def _voxels(proxy: Any, chosen: tuple[Any, ...] | None, shape: list[int]) -> np.ndarray:
    values = np.asarray(proxy, dtype=np.float32) if chosen is None else proxy[chosen]
    return np.require(values, np.float32, "W").reshape(shape[:3], order="F")


def _affine(image: Any, form: str | None) -> np.ndarray:
    header = image.header
    sform, qform = header.get_sform(coded=True)[0], _qform(header)
    if form == "qform" and qform is None:
        raise ValueError("form is qform, but the header has no qform")
    affine = np.array(qform if form == "qform" else image.affine, dtype=np.float64)
    if form is None and _usable(sform) and _usable(qform):
        ours, theirs = ("".join(nib.aff2axcodes(one)) for one in (sform, qform))
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
    except (ValueError, nib.spatialimages.HeaderDataError):  # invalid quaternions
        return None


def _usable(affine: np.ndarray | None) -> bool:
    return affine is not None and bool(np.isfinite(affine).all() and abs(np.linalg.det(affine[:3, :3])) > 1e-9)
