"""Find images in whatever a person hands over: a folder of any known layout, a table or a data list."""

import inspect
import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from monai_minority.data.cohort.cohort import Cohort, UnusableDataError
from monai_minority.data.cohort.contents import FolderContents, Kind
from monai_minority.data.cohort.dicom_folder import cohort_from_dicom
from monai_minority.data.cohort.lists import SECTIONS, cohort_from_csv, cohort_from_datalist
from monai_minority.data.cohort.pictures import cohort_from_pictures
from monai_minority.data.cohort.volume_folders import (
    NOT_RAW,
    cohort_from_bids,
    cohort_from_folder,
    cohort_from_nnunet,
    is_nnunet,
    participants_of,
)
from monai_minority.data.paths import PathLike, existing
from monai_minority.keys import Key

_KINDS = {"volume": Kind.VOLUME, "dicom": Kind.DICOM, "picture": Kind.PICTURE}
_CALLED: dict[Callable[..., Cohort], str] = {
    cohort_from_bids: "a BIDS data set",
    cohort_from_csv: "a table of images",
    cohort_from_datalist: "a data list",
    cohort_from_folder: "volumes in folders",
    cohort_from_nnunet: "folders of nnU-Net",
    cohort_from_pictures: "pictures in folders",
}
_TABLES = (".csv", ".tsv", ".txt")
_SERIES = 10  # files of a flat folder that may be a series


def find_cohort(path: PathLike, kind: str | None = None, **options: Any) -> Cohort:
    """Make a cohort of what is at ``path``: look at all of it once, recognise the layout, and read it.

    =================================================  ====================================
    ``path``                                           function
    =================================================  ====================================
    ``.csv``, ``.tsv`` or ``.txt`` file                :func:`cohort_from_csv`
    ``.json`` file                                     :func:`cohort_from_datalist`
    BIDS: ``participants.tsv``, a
    ``dataset_description.json`` or ``sub-*/anat``     :func:`cohort_from_bids`
    nnU-Net: ``imagesTr/<case>_0000``                  :func:`cohort_from_nnunet`
    Medical Segmentation Decathlon: ``dataset.json``   :func:`cohort_from_datalist`
    folder with more volumes than DICOM series         :func:`cohort_from_folder`
    folder with DICOM files, at any depth              :func:`cohort_from_dicom`
    any other folder                                   :func:`cohort_from_pictures`
    =================================================  ====================================

    The first line of the table that fits counts. Every file that is not used is in the cohort's ``rejected`` or
    ``passed_over``, with the reason.

    Args:
        path: the file or folder.
        kind: what to take of a folder that holds several kinds: ``volume``, ``dicom`` or ``picture``. ``None``: the
            kind with more images of volumes and DICOM, and pictures only where there is neither.
        options: arguments of that function.

    Raises:
        FileNotFoundError: ``path`` does not exist.
        ValueError: the file has another ending, an option is none of the function's, or the function finds nothing
            usable.

    Example:
        >>> import tempfile
        >>> from pathlib import Path
        >>> from monai_minority.data import find_cohort
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     (Path(folder) / "sub-01").mkdir()
        ...     for name in ("sub-01/t1.nii.gz", "notes.txt"):
        ...         (Path(folder) / name).touch()
        ...     cohort = find_cohort(folder)
        >>> print("\\n".join(cohort.account()))
        found: volumes in folders; it holds 1 volume (.nii.gz), 1 other file (.txt)
        used: 1 image of 1 subject
        passed over: it is no image (1)
    """
    path = existing(path)
    if path.is_file():
        return _listed(path, options)
    contents = FolderContents.of(path, NOT_RAW if _looks_like_bids(path) else ())
    make, source = _layout(contents, kind)
    _check_options(make, options)
    try:
        cohort = make(source, **options)
    except UnusableDataError as error:
        known = {entry.file for entry in error.entries}
        if make is cohort_from_dicom:  # a series that is rejected is named by its first file
            known.update(map(str, contents.files[Kind.DICOM]))
        raise UnusableDataError(str(error), [*error.entries, *contents.rest(known)]) from None
    known = {entry.file for entry in (*cohort.rejected, *cohort.passed_over)} | set(cohort.table[Key.IMAGE].map(str))
    if Key.FILES in cohort.table:
        # A series that is rejected is named by its first file.
        known.update(map(str, contents.files[Kind.DICOM]))
    unlisted = "the data list does not name it" if make is cohort_from_datalist else ""
    passed_over = [*cohort.passed_over, *contents.rest(known, unlisted)]
    return replace(cohort, passed_over=passed_over, holds=contents.summary())


def _listed(path: Path, options: Mapping[str, Any]) -> Cohort:
    make: Callable[..., Cohort]
    if path.suffix.lower() == ".json":
        make = cohort_from_datalist
    elif path.suffix.lower() in _TABLES:
        make = cohort_from_csv
    else:
        contents = FolderContents.of(path.parent)
        kind = next((kind for kind, files in contents.files.items() if path in files), Kind.OTHER)
        remedy = "unpack it, and give the folder" if kind is Kind.ARCHIVE else "give the folder that holds it"
        raise ValueError(f"{path} must be a folder or a .csv, .tsv or .json file, but it is one {kind}; {remedy}")
    _check_options(make, options)
    return make(path, **options)


def _layout(contents: FolderContents, kind: str | None) -> tuple[Callable[..., Cohort], Any]:
    """The function that reads a folder, and what to hand it."""
    if kind is not None and kind not in _KINDS:
        raise ValueError(f"kind must be one of {', '.join(_KINDS)}, got {kind!r}")
    volumes = contents.count(Kind.VOLUME)
    chosen = None if kind is None else _KINDS[kind]
    if chosen in (None, Kind.VOLUME) and volumes:
        if _looks_like_bids(contents.root):
            return cohort_from_bids, contents
        if is_nnunet(contents):
            return cohort_from_nnunet, contents
        if _is_datalist(contents.root / "dataset.json"):
            return cohort_from_datalist, contents.root / "dataset.json"
    counts = {Kind.VOLUME: volumes, Kind.DICOM: _series(contents), Kind.PICTURE: 0}
    if not any(counts.values()):
        counts[Kind.PICTURE] = contents.count(Kind.PICTURE)
    chosen = chosen or max(counts, key=lambda one: counts[one])
    if not contents.count(chosen):
        raise UnusableDataError(
            f"there is no image under {contents.root}; it holds {contents.summary()}{_remedy(contents)}",
            [*contents.unreadable, *contents.rest(set())],
        )
    readers: dict[Kind, Callable[..., Cohort]] = {
        Kind.VOLUME: cohort_from_folder,
        Kind.DICOM: cohort_from_dicom,
        Kind.PICTURE: cohort_from_pictures,
    }
    return readers[chosen], contents


def _remedy(contents: FolderContents) -> str:
    remedies = []
    if contents.count(Kind.ARCHIVE):
        remedies.append("unpack the archives")
    if contents.count(Kind.FOREIGN):
        remedies.append("convert the volumes to NIfTI (mri_convert, dcm2niix, nib-convert)")
    if contents.passed_over:
        remedies.append(f"{len(contents.passed_over)} folder(s) were passed over ({contents.passed_over[0].reason})")
    known = "NIfTI, MGH, NRRD and MetaImage volumes, DICOM files, and JPEG, PNG, WebP, TIFF and BMP pictures are read"
    return "".join(f"; {text}" for text in [*remedies, known])


def _series(contents: FolderContents) -> int:
    """How many series the DICOM files may be, without reading their headers: folders, or in one folder, tens."""
    files = contents.files[Kind.DICOM]
    folders = len({file.parent for file in files})
    return folders if folders > 1 else -(-len(files) // _SERIES)


def _looks_like_bids(root: Path) -> bool:
    if participants_of(root) or any(path.name.lower() == "dataset_description.json" for path in root.iterdir()):
        return True
    return any(root.glob("sub-*/anat")) or any(root.glob("sub-*/ses-*/anat"))


def _is_datalist(path: Path) -> bool:
    """Whether a file is a data list, as that of the Medical Segmentation Decathlon."""
    try:
        content = json.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError):
        return False
    sections = content.items() if isinstance(content, dict) else ()
    return any(str(name).lower() in SECTIONS and isinstance(entries, list) and entries for name, entries in sections)


def _check_options(make: Callable[..., Cohort], options: Mapping[str, Any]) -> None:
    """Say which options a layout takes; those of DICOM, which are rules, say so themselves."""
    parameters = inspect.signature(make).parameters
    named = [name for name in list(parameters)[1:] if parameters[name].kind is not inspect.Parameter.VAR_KEYWORD]
    takes_more = any(one.kind is inspect.Parameter.VAR_KEYWORD for one in parameters.values())
    columns = ["group", "severity", "split"] if make is cohort_from_bids else []
    unknown = [name for name in options if name not in (*named, *columns)]
    if unknown and (columns or not takes_more):
        raise ValueError(
            f"dataset_options must be among {', '.join([*named, *columns, 'kind'])} for {_CALLED[make]}, got "
            f"{', '.join(unknown)}"
        )
