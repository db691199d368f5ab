"""Read the voxels and the checked affine of a NIfTI file."""

import gzip
import io
import math
import os
import zlib
from pathlib import Path
from typing import IO, Any, cast

import nibabel as nib
import numpy as np
from isal import igzip, igzip_lib
from nibabel.arrayproxy import ArrayProxy

from monai_minority.data.paths import checked_size
from monai_minority.data.volumes.claims import MAX_DEFLATE, check_fits, chosen_volume
from monai_minority.keys import SYNTHETIC_NOTE, SYNTHETIC_REFUSAL

FORMS = ("sform", "qform")
MAX_BYTES = 1 << 30
"""Default limit for a volume: bytes of its voxels as float32."""
_LABELS = 1002  # NIFTI_INTENT_LABEL
_TO_MM = {"meter": 1e3, "micron": 1e-3}
_IsalError = cast(type[Exception], igzip_lib.IsalError)
_DAMAGED = "no reader recognises the file: it is damaged, or its ending is wrong"
_CUT = "the file is truncated: its compressed data ends early"
_OTHER_HALF = {".hdr": ".img", ".img": ".hdr", ".hdr.gz": ".img.gz", ".img.gz": ".hdr.gz"}


class UnknownOrientationError(ValueError):
    """A header has neither a usable sform nor a usable qform."""


def read_nifti_volume(
    path: str | os.PathLike[str],
    volume_index: int | None = None,
    form: str | None = None,
    max_bytes: int = MAX_BYTES,
    orientation: str | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Read a volume. The size claimed by the header is compared with the file size before memory is allocated.

    Whether a file is compressed is seen by its content, not by its name. Header extensions are not read.

    Args:
        path: a ``.nii`` file or either file of a pair ``.hdr`` and ``.img``, compressed or not.
        volume_index: number of the volume in a 4-D series, from 0. Single volumes ignore it.
        form: the affine to use, ``"sform"`` or ``"qform"``. ``None``: the sform; an error is raised if the two
            describe different directions.
        max_bytes: size of the largest volume that is read, as float32. Reading takes up to three times that.
        orientation: directions of the voxel axes, such as ``"RAS"``, of a header that has neither sform nor qform.
            ``None``: such a file raises.

    Returns:
        float32 voxels ``[X, Y, Z]`` in the memory order of the file, scaled as the header says, and the float64 affine
        ``[4, 4]`` to mm in RAS.

    Raises:
        ValueError: the file is damaged, truncated or no regular file; it is an Analyze file or a header without an
            orientation (which cannot tell left from right); it has colours or complex numbers, or labels by its intent
            code; its intercept is not finite; it is a series, without a valid ``volume_index``; the affine contradicts
            the voxel sizes; sform and qform describe different directions; the volume is too large; or it bears the
            mark of generated images.
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
    header, file, offset = _opened_header(Path(path))
    if header["descrip"].tobytes().startswith(SYNTHETIC_NOTE[:10].encode()):
        raise ValueError(SYNTHETIC_REFUSAL)
    if header["intent_code"] == _LABELS:
        raise ValueError(f"the header says that it is a label map (intent_code {_LABELS}), not an image; correct it")
    try:
        dtype, stored_shape = header.get_data_dtype(), header.get_data_shape()
    except Exception:  # nibabel's message quotes the header
        raise ValueError("the header names a data type that does not exist; it is damaged") from None
    if dtype.kind not in "biuf":
        raise ValueError("the voxels are colours or complex numbers, not measured values")
    shape = [size for number, size in enumerate(stored_shape) if number < 3 or size > 1]
    if len(shape) not in (3, 4):
        raise ValueError(f"a volume must have 3 dimensions, but the image has {len(shape)}")
    if min(shape) < 1:
        raise ValueError(f"the header claims {' x '.join(map(str, shape))} voxels; it is damaged")
    on_disk = checked_size(file)
    with file.open("rb") as plain:
        compressed = plain.read(2) == b"\x1f\x8b"
    claimed = math.prod(stored_shape) * dtype.itemsize
    _check_size(claimed, offset, math.prod(shape[:3]), on_disk, compressed, max_bytes)
    chosen = _chosen(stored_shape, shape, volume_index)
    affine = _affine(header, form, orientation, shape[:3])
    described = (stored_shape, dtype, offset, *_slope_and_intercept(header))
    try:
        if not compressed:
            with file.open("rb") as plain:  # by name, nibabel would take the ending for the compression
                return _voxels(ArrayProxy(plain, described), chosen, shape), affine
        # ISA-L decompresses several times as fast as the zlib that nibabel uses.
        with igzip.open(file) as opened:
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


def _opened_header(path: Path) -> tuple[Any, Path, int]:
    """The header, the file with the voxels, and the place in bytes where they start."""
    ending = next((end for end in sorted(_OTHER_HALF, key=len, reverse=True) if path.name.lower().endswith(end)), "")
    header_file = image_file = path
    if ending:
        other = _beside(path, ending)
        header_file, image_file = (path, other) if ending.startswith(".hdr") else (other, path)
    start = _start(header_file)
    order = next((order for order in "<>" if start[:4] in (_int4(348, order), _int4(540, order))), "")
    if not order:
        raise ValueError(_DAMAGED)
    second = start[:4] == _int4(540, order)
    magic = start[4:8] if second else start[344:348]
    if len(start) < (540 if second else 348) or (second and magic[:3] not in (b"n+2", b"ni2")):
        raise ValueError(_DAMAGED)
    if not second and magic[:3] not in (b"n+1", b"ni1"):
        raise ValueError("an Analyze file does not say left from right, so it is not read; convert it to NIfTI")
    kind = nib.Nifti2Header if second else nib.Nifti1Header
    header = kind(start[: 540 if second else 348], endianness=order, check=False)
    content = cast(Any, header.structarr)
    if not 1 <= content["dim"][0] <= 7:
        raise ValueError("the header claims an impossible number of dimensions; it is damaged")
    # Programs write 0 for the sign of the third axis and negative voxel sizes beside a sound sform.
    if content["pixdim"][0] not in (-1, 1):
        content["pixdim"][0] = 1
    content["pixdim"][1:4] = np.abs(content["pixdim"][1:4])
    offset = float(content["vox_offset"])
    if not (math.isfinite(offset) and 0 <= offset < 1 << 62):
        raise ValueError("the header does not say where the voxels start (vox_offset); it is damaged")
    least = (544 if second else 352) if image_file == header_file else 0
    return header, image_file, max(int(offset), least)


def _int4(number: int, order: str) -> bytes:
    return np.array(number, f"{order}i4").tobytes()


def _beside(path: Path, ending: str) -> Path:
    """The other file of a pair; the ending may be in upper case, and either may be compressed."""
    base = path.name[: -len(ending)]
    other = _OTHER_HALF[ending].removesuffix(".gz")
    for name in (f"{other}.gz", other) if ending.endswith(".gz") else (other, f"{other}.gz"):
        for candidate in (path.with_name(base + name), path.with_name(base + name.upper())):
            if candidate.exists():
                return candidate
    raise ValueError(f"the other file of the pair ({other}) is missing")


def _start(file: Path) -> bytes:
    """The first bytes, decompressed."""
    checked_size(file)
    with file.open("rb") as plain:
        stream: IO[bytes] = cast(IO[bytes], plain)
        if plain.read(2) == b"\x1f\x8b":
            stream = cast(IO[bytes], igzip.open(io.BytesIO(b"\x1f\x8b" + plain.read(1 << 16))))
        else:
            plain.seek(0)
        try:
            return stream.read(540)
        except EOFError:
            raise ValueError(_CUT) from None
        except Exception:  # whatever the library raises for damaged data
            raise ValueError("the compressed data is damaged") from None


def _slope_and_intercept(header: Any) -> tuple[float, float]:
    slope, intercept = (float(header.structarr[name]) for name in ("scl_slope", "scl_inter"))
    if slope == 0 or math.isnan(slope):  # the values are stored as they are
        return 1.0, 0.0
    for name, value in (("scl_slope", slope), ("scl_inter", intercept)):
        if not math.isfinite(value):
            raise ValueError(f"{name} of the header is {value}, so the voxels have no values; correct the header")
    return slope, intercept


def _check_size(claimed: int, offset: int, count: int, on_disk: int, compressed: bool, max_bytes: int) -> None:
    if compressed and offset + claimed > MAX_DEFLATE * on_disk:
        raise ValueError(
            f"the header claims {claimed:.4g} bytes of voxels, but {on_disk} compressed bytes cannot hold them"
        )
    if not compressed and offset + claimed > on_disk:
        rest = max(0, on_disk - offset)
        raise ValueError(f"the file is truncated: it has {rest} of the {claimed} bytes of its voxels")
    check_fits(count, max_bytes)


def _chosen(own: tuple[int, ...], shape: list[int], volume_index: int | None) -> tuple[Any, ...] | None:
    """Index of the chosen volume in the array of the file, which has shape ``own``; ``None``: all of it."""
    if len(shape) == 3:
        return None
    number = chosen_volume(shape[3], volume_index)
    return tuple(number if axis > 2 and size > 1 else slice(None) for axis, size in enumerate(own))


def _voxels(proxy: Any, chosen: tuple[Any, ...] | None, shape: list[int]) -> np.ndarray:
    values = np.asarray(proxy, dtype=np.float32) if chosen is None else proxy[chosen]
    return np.require(values, np.float32, "W").reshape(shape[:3], order="F")


def _affine(header: Any, form: str | None, orientation: str | None, shape: list[int]) -> np.ndarray:
    sform, qform = header.get_sform(coded=True)[0], _qform(header)
    sizes = np.array(header.get_zooms()[:3], dtype=np.float64)
    if form == "qform" and qform is None:
        raise ValueError("nifti_form is qform, but the header has no qform")
    used = "qform" if form == "qform" or sform is None else "sform"
    chosen = qform if used == "qform" else sform
    if chosen is None:
        if orientation is None or int(header["qform_code"]):
            raise UnknownOrientationError(
                "the header does not say how the volume lies, not even left from right (sform and qform are unset or "
                "unusable); correct it, or name the directions that all such volumes have with nifti_orientation"
            )
        chosen = _assumed(orientation, sizes, shape)
    if form is None and _usable(sform) and _usable(qform):
        ours, theirs = ("".join(nib.aff2axcodes(one)) for one in (sform, qform))
        if ours != theirs:
            raise ValueError(
                f"the header's sform and qform name different directions ({ours}, {theirs}); choose one with nifti_form"
            )
    affine = np.array(chosen, dtype=np.float64)
    if _usable(affine) and not _has_sizes(affine, sizes):
        own, said = (
            " x ".join(f"{size:.4g}" for size in one) for one in (np.linalg.norm(affine[:3, :3], axis=0), sizes)
        )
        agrees = used == "sform" and _usable(qform) and _has_sizes(qform, sizes)
        way = "choose the qform, which has these, with nifti_form=qform, or " if agrees else ""
        raise ValueError(
            f"the {used} has voxels of {own} mm, but the voxel sizes of the header are {said} mm; {way}correct the "
            "header"
        )
    affine[:3] *= _TO_MM.get(header.get_xyzt_units()[0], 1.0)
    return affine


def _has_sizes(affine: np.ndarray | None, sizes: np.ndarray) -> bool:
    return affine is not None and np.allclose(np.linalg.norm(affine[:3, :3], axis=0), sizes, rtol=1e-2, atol=1e-3)


def _assumed(orientation: str, sizes: np.ndarray, shape: list[int]) -> np.ndarray:
    """The affine of a volume whose voxel axes point as the letters say, with its centre at the origin."""
    affine = np.eye(4)
    affine[:3, :3] = nib.orientations.inv_ornt_aff(nib.orientations.axcodes2ornt(orientation), (1, 1, 1))[:3, :3].T
    affine[:3, :3] *= sizes
    affine[:3, 3] = -affine[:3, :3] @ ((np.array(shape) - 1) / 2)
    return affine


def _qform(header: Any) -> np.ndarray | None:
    try:
        return header.get_qform(coded=True)[0]
    except (ValueError, nib.spatialimages.HeaderDataError):  # invalid quaternions
        return None


def _usable(affine: np.ndarray | None) -> bool:
    return affine is not None and bool(np.isfinite(affine).all() and abs(np.linalg.det(affine[:3, :3])) > 1e-9)
