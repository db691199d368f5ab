"""Read a DICOM data set in bounded memory, also if its file states no transfer syntax or is deflated."""

import io
import os
import struct
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pydicom
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.filereader import read_dataset
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
)

from monai_minority.data.paths import checked_size
from monai_minority.data.volumes.claims import MAX_DEFLATE
from monai_minority.data.volumes.dicom.values import integer_of

_HEADER_SIZES = (1 << 20, 64 << 20)  # bytes that a deflated header is inflated to: the first that holds all of it
_PIXELS = (b"\xe0\x7f\x10\x00", b"\x7f\xe0\x00\x10")  # the tag of the pixels in both byte orders
NO_SYNTAX = "its pixels are compressed, but the header does not say how (it has no transfer syntax)"


@contextmanager
def quiet() -> Iterator[None]:
    """Suppress pydicom's warnings, because they quote header values that may identify a patient."""
    with warnings.catch_warnings(action="ignore"):
        yield


def read_header(path: str | os.PathLike[str], tags: list[str]) -> tuple[Dataset, int]:
    """The data set before the pixels, with the given attributes alone, and the largest size the rest can have in bytes.

    Raises:
        ValueError: not a regular file with content, not DICOM, or damaged.
        OSError: the file cannot be opened.
    """
    checked_size(path)
    with _BoundedFile(path) as file, quiet():
        return _parsed(file, tags, 0)


def read_data_set(path: str | os.PathLike[str], tags: list[str], max_bytes: int) -> Dataset:
    """The whole data set with its encoded pixels.

    A deflated file is inflated to what its header claims and no further.

    Raises:
        ValueError: as :func:`read_header`, or the file is larger than ``max_bytes``.
    """
    size = checked_size(path)
    if size > max_bytes:
        raise ValueError(f"the file has {size} bytes, more than the {max_bytes} allowed; raise max_volume_gib")
    with _BoundedFile(path) as file, quiet():
        return _parsed(file, tags, max_bytes)[0]


class _BoundedFile(io.BufferedReader):
    """A file that limits each read to its size, so that a length of 4 GB in a damaged header costs no memory."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        super().__init__(io.FileIO(path))
        self.size = os.fstat(self.fileno()).st_size

    def read(self, size: int | None = -1, /) -> bytes:
        if size is not None and 0 <= size <= 1 << 16:
            return super().read(size)
        rest = max(0, self.size - self.tell())
        return super().read(rest if size is None or size < 0 else min(size, rest))


def _parsed(file: _BoundedFile, tags: list[str], max_bytes: int) -> tuple[Dataset, int]:
    """With ``max_bytes`` 0 the header alone."""
    magic = file.read(132)[128:] == b"DICM"
    try:
        meta = FileMetaDataset(read_dataset(file, False, True, stop_when=_after_meta)) if magic else FileMetaDataset()
        if meta.get("TransferSyntaxUID") == DeflatedExplicitVRLittleEndian:
            return _inflated(file.read(), meta, tags, max_bytes)
        file.seek(0)
        dataset = pydicom.dcmread(
            file, force=True, stop_before_pixels=not max_bytes, specific_tags=None if max_bytes else tags
        )
        known = magic or "SOPClassUID" in dataset or "SeriesInstanceUID" in dataset
    except _TooLarge:
        raise
    except Exception as error:  # any error of pydicom means that the file is damaged
        raise ValueError(
            f"the DICOM header is damaged ({type(error).__name__})" if magic else "not a DICOM file"
        ) from None
    if not known:
        raise ValueError("not a DICOM file")
    if not dataset.file_meta.get("TransferSyntaxUID"):
        _state_syntax(dataset, file)
    return dataset, file.size - file.tell()


def _after_meta(tag: Any, _vr: str | None, _length: int) -> bool:
    return tag >> 16 != 2


def _state_syntax(dataset: Any, file: _BoundedFile) -> None:
    """Give a data set without a transfer syntax that of the encoding in which it was read."""
    implicit, little = dataset.original_encoding
    if implicit:
        dataset.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian
    else:
        dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian if little else ExplicitVRBigEndian
    here = file.tell()
    element = file.read(12)
    file.seek(here)
    length = element[4:8] if implicit else element[8:12]
    encapsulated = element[:4] in _PIXELS and length == b"\xff\xff\xff\xff"
    if encapsulated or ("PixelData" in dataset and dataset["PixelData"].is_undefined_length):
        raise ValueError(NO_SYNTAX)


class _TooLarge(ValueError):
    """A deflated file holds more than its header claims or than is allowed."""


def _inflated(packed: bytes, meta: FileMetaDataset, tags: list[str], max_bytes: int) -> tuple[Dataset, int]:
    dataset, used = _inflated_header(packed, tags)
    if max_bytes:
        claimed = claimed_bytes(dataset)
        if claimed > max_bytes:
            raise _TooLarge(f"the header claims {claimed:.4g} bytes of pixels, more than the {max_bytes} allowed")
        room = used + claimed + (1 << 20)
        stream = zlib.decompressobj(-zlib.MAX_WBITS)
        content = stream.decompress(packed, room)
        if not stream.eof and stream.decompress(stream.unconsumed_tail, 1):
            raise _TooLarge("the deflated data holds more than its header claims")
        dataset = pydicom.dcmread(io.BytesIO(content), force=True)
    meta.TransferSyntaxUID = ExplicitVRLittleEndian  # which it is now
    dataset.file_meta = meta
    return dataset, MAX_DEFLATE * len(packed)


def _inflated_header(packed: bytes, tags: list[str]) -> tuple[Any, int]:
    """The header and its length in bytes."""
    for size in _HEADER_SIZES:
        stream = zlib.decompressobj(-zlib.MAX_WBITS)
        content = io.BytesIO(stream.decompress(packed, size))
        try:
            dataset = pydicom.dcmread(content, force=True, stop_before_pixels=True, specific_tags=tags)
        except (EOFError, struct.error, OSError):
            continue
        if content.tell() < len(content.getbuffer()) or stream.eof:
            return dataset, content.tell()
    raise _TooLarge(f"the deflated header holds more than {_HEADER_SIZES[-1]} bytes")


def claimed_bytes(dataset: Dataset) -> int:
    """Bytes of the decoded pixels according to the header."""
    bits = max(1, integer_of(dataset, "BitsAllocated") or 8)
    frames, samples = (max(1, integer_of(dataset, name)) for name in ("NumberOfFrames", "SamplesPerPixel"))
    return integer_of(dataset, "Rows") * integer_of(dataset, "Columns") * frames * samples * bits // 8
