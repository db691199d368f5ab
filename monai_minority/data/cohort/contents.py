"""What a folder holds: every file by its kind, found in one walk."""

import os
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Self

from monai_minority.data.cohort.cases import LABEL_MAP, is_label_map
from monai_minority.data.paths import PathLike, Rejection, checked_size, existing, walk
from monai_minority.data.volumes.dicom.header import DicomHeader
from monai_minority.data.volumes.other_formats import ENDINGS

NIFTI = (".nii", ".nii.gz", ".hdr", ".hdr.gz")
VOLUMES = (*NIFTI, *ENDINGS)
"""Endings of volumes that are read."""
PICTURES = (".jpg", ".jpeg", ".png", ".webp", ".tif", ".tiff", ".bmp")
"""Endings of pictures that are read."""
_DICOM = (".dcm", ".dicom", ".ima")
_FOREIGN = (
    *(".mnc", ".mnc.gz", ".par", ".rec", ".head", ".brik", ".brik.gz", ".nii.bz2", ".nii.xz", ".nii.zst", ".dcm.gz"),
    *(".v", ".ecat", ".mat", ".h5", ".hdf5", ".npy", ".npz", ".svs", ".czi", ".img", ".img.gz", ".jp2", ".heic"),
    *(".gif", ".pgm", ".ppm", ".vtk", ".mif", ".mif.gz", ".mii", ".pic", ".nia"),
)
_ARCHIVES = (".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz", ".7z", ".rar", ".gz", ".bz2", ".xz", ".zst")
_TEXTS = (
    *(".json", ".tsv", ".csv", ".xlsx", ".xls", ".ods", ".md", ".rst", ".pdf", ".html", ".htm", ".xml", ".yaml"),
    *(".yml", ".bval", ".bvec", ".bvals", ".bvecs", ".py", ".m", ".sh", ".log", ".toml", ".doc", ".docx", ".db"),
    *(".ini", ".lnk", ".txt.gz", ".tsv.gz", ".csv.gz", ".mp4", ".avi", ".gii", ".stl", ".annot", ".mgz.lta"),
    *(".lta", ".xfm", ".key"),
)
# The voxels of a header file beside them, and the header files that they belong to.
_VOXELS = {".img": (".hdr",), ".img.gz": (".hdr", ".hdr.gz"), ".raw": (".mhd", ".nhdr"), ".zraw": (".mhd",)}
_VOXELS[".raw.gz"] = (".nhdr",)


class Kind(StrEnum):
    """Kinds of files, as a person calls them."""

    VOLUME = "volume"
    DICOM = "DICOM file"
    PICTURE = "picture"
    FOREIGN = "file of a format that is not read"
    ARCHIVE = "archive"
    OTHER = "other file"


_REASONS = {
    Kind.FOREIGN: "this format is not read; convert it to NIfTI (mri_convert, dcm2niix, nib-convert) or to PNG",
    Kind.ARCHIVE: "it is an archive; unpack it",
    Kind.OTHER: "it is no image",
}


@dataclass(frozen=True)
class FolderContents:
    """The files under a folder by kind.

    Attributes:
        root: the folder.
        files: files of each kind, sorted.
        passed_over: folders that were not looked into, with the reason.
        unreadable: folders that cannot be read.

    Example:
        >>> import tempfile
        >>> from pathlib import Path
        >>> from monai_minority.data.cohort.contents import FolderContents
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     for name in ("a.nii.gz", "b.nii.gz", "c.mgz", "study.zip", "read.me"):
        ...         (Path(folder) / name).touch()
        ...     FolderContents.of(folder).summary()
        '3 volumes (2 .nii.gz, 1 .mgz), 1 archive (.zip), 1 other file (.me)'
    """

    root: Path
    files: Mapping[Kind, Sequence[Path]]
    passed_over: list[Rejection] = field(default_factory=list)
    unreadable: list[Rejection] = field(default_factory=list)

    @classmethod
    def of(cls, folder: "PathLike | FolderContents", skip: tuple[str, ...] = ()) -> Self:
        """Look at a folder, at any depth. Hidden files, and folders that this program wrote, are left out.

        Raises:
            FileNotFoundError: the folder does not exist.
        """
        if isinstance(folder, cls):
            return folder
        assert not isinstance(folder, FolderContents)
        root = existing(folder)
        passed_over: list[Rejection] = []
        unreadable: list[Rejection] = []
        files: dict[Kind, list[Path]] = {kind: [] for kind in Kind}
        headers: set[str] = set()
        voxels: list[Path] = []
        for file in walk(root, ("",), unreadable, skip, passed_over):
            name = file.name.lower()
            if any(name.endswith(ending) for ending in _VOXELS):
                voxels.append(file)
                continue
            kind = _kind(file, name)
            if kind is Kind.VOLUME:
                headers.add(os.fspath(file).lower())
            files[kind].append(file)
        for file in voxels:
            path = os.fspath(file).lower()
            ending = next(e for e in sorted(_VOXELS, key=len, reverse=True) if path.endswith(e))
            if not any(path.removesuffix(ending) + header in headers for header in _VOXELS[ending]):
                kind = Kind.FOREIGN if ending.startswith(".img") else _kind(file, file.name.lower())
                files[kind].append(file)
        return cls(root, files, passed_over, unreadable)

    def count(self, kind: Kind) -> int:
        """Number of files of a kind."""
        return len(self.files[kind])

    @property
    def perhaps_dicom(self) -> list[Path]:
        """The DICOM files, and those of unknown endings, which the DICOM reader names if they are none."""
        unknown = [file for file in self.files[Kind.OTHER] if not file.name.lower().endswith(_TEXTS)]
        return sorted([*self.files[Kind.DICOM], *unknown])

    def summary(self) -> str:
        """The files by kind and ending, in one line without names; ``"nothing"`` of an empty folder."""
        parts = []
        for kind in Kind:
            files = self.files[kind]
            if not files:
                continue
            endings = Counter(map(ending_of, files)).most_common()
            shown = ", ".join(f"{n} {e}" if len(endings) > 1 else e for e, n in endings[:6])
            more = ", …" if len(endings) > 6 else ""
            parts.append(f"{plural(len(files), kind)} ({shown}{more})")
        return ", ".join(parts) or "nothing"

    def rest(self, known: set[str], unlisted: str = "") -> list[Rejection]:
        """The folders and files that are not ``known`` by their paths, each with the reason why it is passed over;
        ``unlisted`` is that of an image that a list does not name."""
        rest = [entry for entry in self.passed_over if entry.file not in known]
        for kind, files in self.files.items():
            for file in files:
                if str(file) in known:
                    continue
                if kind is Kind.VOLUME and is_label_map(file.relative_to(self.root).as_posix()):
                    rest.append(Rejection(str(file), "", LABEL_MAP))
                elif kind is Kind.VOLUME and unlisted:
                    rest.append(Rejection(str(file), "", f"passed over: {unlisted}"))
                else:
                    option = kind.split()[0].lower()
                    other = f"a {kind} beside images of another kind; dataset_options={{kind: {option}}} takes it"
                    reason = _REASONS.get(kind, other)
                    rest.append(Rejection(str(file), "", f"passed over: {reason}"))
        return rest


def plural(count: int, what: str) -> str:
    """``"1 volume"``, ``"2 volumes"``, ``"3 files of a format that is not read"``."""
    head, space, tail = what.partition(" of ")
    return f"{count} {head}{'' if count == 1 else 's'}{space}{tail}"


def ending_of(file: Path) -> str:
    """The ending of a file name as people name it: ``".nii.gz"``; ``"without an ending"``.

    Example:
        >>> from pathlib import Path
        >>> from monai_minority.data.cohort.contents import ending_of
        >>> ending_of(Path("scan.NII.gz")), ending_of(Path("IM0001")), ending_of(Path("1.3.12.2"))
        ('.nii.gz', 'without an ending', 'without an ending')
    """
    name = file.name.lower()
    for ending in (*VOLUMES, *_FOREIGN, *_ARCHIVES, *_TEXTS):
        if name.endswith(ending) and ending.count(".") > 1:
            return ending
    suffix = file.suffix.lower()
    return suffix if suffix and not suffix[1:].isdigit() and len(suffix) < 7 else "without an ending"


def looks_like_dicom(file: Path) -> bool:
    """Whether the ending or the first bytes of a file are those of DICOM, with or without a preamble."""
    if file.name.lower().endswith(_DICOM) or file.name.upper() == "DICOMDIR":
        return True
    try:
        checked_size(file)
        with file.open("rb") as opened:
            start = opened.read(132)
        if start[128:] == b"DICM":
            return True
        # Without a preamble, the first attributes are those of group 0008 (or 0002), in either byte order.
        return start[:2] in (b"\x08\0", b"\x02\0", b"\0\x08", b"\0\x02") and bool(DicomHeader.read(file))
    except (OSError, ValueError):
        return False


def _kind(file: Path, name: str) -> Kind:
    for kind, endings in (
        (Kind.VOLUME, VOLUMES),
        (Kind.PICTURE, PICTURES),
        (Kind.DICOM, _DICOM),
        (Kind.FOREIGN, _FOREIGN),
        (Kind.OTHER, _TEXTS),
        (Kind.ARCHIVE, _ARCHIVES),
    ):
        if name.endswith(endings):
            return kind
    return Kind.DICOM if looks_like_dicom(file) else Kind.OTHER
