"""Cohorts listed in files: a table of images, or a MONAI data list."""

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from monai_minority.data.cohort.cases import chosen_kinds, names_of
from monai_minority.data.cohort.cohort import ORIGIN, Cohort
from monai_minority.data.cohort.tables import decoded_text, file_named, named, read_table, without_rows
from monai_minority.data.paths import PathLike, Rejection, existing, stem
from monai_minority.keys import Column, Key, Split

SECTIONS = {
    "training": Split.TRAIN,
    "train": Split.TRAIN,
    "validation": Split.VALIDATION,
    "val": Split.VALIDATION,
    "test": Split.TEST,
    "testing": Split.TEST,
    "reference": Split.REFERENCE,
}
"""Names of splits in data lists and folders."""


def cohort_from_csv(
    path: PathLike,
    image: str = "image",
    subject: str = "subject",
    group: str | None = None,
    severity: str | None = None,
    split: str | None = None,
    leave_out: Mapping[str, str | Sequence[str]] | None = None,
) -> Cohort:
    """The images of a table with one row per image. All other columns are kept.

    Encoding and separator are found, see :func:`~monai_minority.data.cohort.tables.read_table`; headings are compared
    without regard to case.

    Args:
        path: CSV or TSV file. Relative image paths start at its folder.
        image: column of the image paths.
        subject: column of the subjects. It may be the column of the images if every image is a separate subject.
        group: column of the groups. ``None``: the column ``group`` if it exists.
        severity: column of a number that rises with severity. A leading minus negates a number that falls with it
            (``"-hippocampus_mm3"``). ``None``: the column ``severity`` if it exists.
        split: column of the splits. ``None``: the column ``split`` if it exists.
        leave_out: rows that are no part of the study: column of the file to the value, or values, of such rows. They
            are not rejected but as if the file did not have them, and their number is logged.

    Raises:
        FileNotFoundError: the file does not exist.
        ValueError: a named column is missing, ``leave_out`` has a value that does not occur, or no row is usable.

    Example:
        >>> import tempfile
        >>> from pathlib import Path
        >>> from monai_minority.data import cohort_from_csv
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     (Path(folder) / "a.nii").touch()
        ...     size = (Path(folder) / "list.csv").write_text("image,subject,volume_mm3\\na.nii,007,2950")
        ...     cohort = cohort_from_csv(f"{folder}/list.csv", severity="-volume_mm3")
        >>> cohort.table["subject"].tolist(), cohort.table["severity"].tolist()
        (['007'], [-2950.0])
    """
    path = existing(path)
    rejected: list[Rejection] = []
    table = without_rows(read_table(path, rejected), path, leave_out or {})
    own = named(table, path, {"image": image, "subject": subject, "group": group, "severity": severity, "split": split})
    own[Key.IMAGE] = own[Key.IMAGE].map(lambda p: file_named(p, path.parent), na_action="ignore")
    own[Column.SPLIT] = own[Column.SPLIT].map(split_named, na_action="ignore") if Column.SPLIT in own else None
    own[ORIGIN] = [f"{path.name}, row {number}" for number in own.index]
    return Cohort.from_records(own, rejected, layout="a table of images")


def cohort_from_datalist(
    datalist: PathLike | Sequence[Mapping[str, Any]],
    base_dir: PathLike | None = None,
    modality: str | int | None = None,
    image: str = "image",
) -> Cohort:
    """The images of a MONAI data list.

    Args:
        datalist: a list of dictionaries with ``image`` and, if known, ``subject``, ``group``, ``severity`` and
            ``split``; or a JSON file with such a list or with sections (``training``, ``validation``, ``test``) that
            become splits. A bare path in a section stands for ``{"image": path}``. An image without a subject counts
            as a separate subject.
        base_dir: folder where relative paths start. ``None``: the folder of the JSON file, or the working directory
            for a list.
        modality: which file of an entry whose ``image`` is a list of the files of several modalities: as the files are
            named, such as ``t1``, or the number in the list, from 0.
        image: key of the images in the entries.

    Raises:
        FileNotFoundError: the JSON file does not exist.
        ValueError: no entry is usable, or the file is no data list.

    Example:
        >>> import json, tempfile
        >>> from pathlib import Path
        >>> from monai_minority.data import cohort_from_datalist
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     for name in ("a.nii", "b.nii"):
        ...         (Path(folder) / name).touch()
        ...     size = (Path(folder) / "list.json").write_text(json.dumps({"training": ["a.nii"], "test": ["b.nii"]}))
        ...     cohort_from_datalist(f"{folder}/list.json").table[["subject", "split"]].to_numpy().tolist()
        [['a', 'train'], ['b', 'test']]
    """
    if isinstance(datalist, str | os.PathLike):
        path = existing(datalist)
        content, name = _json(path), path.name
        base = Path(base_dir).expanduser() if base_dir else path.parent
    else:
        content, base, name = list(datalist), Path(base_dir or "."), "the list"
    sections = content if isinstance(content, dict) else {None: content}
    records, rejected = [], []
    for section, entries in sections.items():
        if not isinstance(entries, list) or (section is not None and section.lower() not in SECTIONS):
            continue  # a data list may also hold a description, modalities and so on
        for number, entry in enumerate(entries, 1):
            record = dict(entry) if isinstance(entry, Mapping) else {image: entry}
            origin = f"{name}, {section or 'entry'} {number}"
            given = record.pop(image, None) if image in record else record.pop(_alike(record, image), None)
            try:
                file = _one_file(given, modality)
            except ValueError as error:
                shown = given[0] if isinstance(given, list) and given else ""
                rejected.append(Rejection(str(shown), str(record.get(Column.SUBJECT, "")), f"{origin}: {error}"))
                continue
            if section is not None:
                record.setdefault(Column.SPLIT, SECTIONS[section.lower()])
            if file is not None:
                plain = names_of([file.replace("\\", "/").rpartition("/")[2]])[0].case
                record.setdefault(Column.SUBJECT, plain if isinstance(given, list) else stem(file.replace("\\", "/")))
                record[Key.IMAGE] = file_named(file, base)
            record[ORIGIN] = origin
            records.append({str(k): v for k, v in record.items() if k != "label"})
    if not records and not rejected:
        known = ", ".join(dict.fromkeys(SECTIONS))
        raise ValueError(f"{name} must be a list of entries or have sections ({known}), but it has neither")
    return Cohort.from_records(records, rejected, layout="a data list")


def split_named(text: str) -> str:
    """A split as people write it: ``Training``, ``val``; another text stays."""
    return str(SECTIONS.get(text.strip().lower(), text))


def _json(path: Path) -> Any:
    try:
        return json.loads(decoded_text(path).lstrip("\ufeff"))
    except json.JSONDecodeError as error:
        raise ValueError(f"{path} must be JSON, but line {error.lineno}, column {error.colno}: {error.msg}") from None


def _alike(record: Mapping[str, Any], key: str) -> str:
    return next((name for name in record if str(name).lower() == key.lower()), key)


def _one_file(given: Any, modality: str | int | None) -> str | None:
    """The file of an entry, of a list of several the chosen one."""
    if not isinstance(given, list | tuple):
        return None if given is None else str(given)
    files = [str(file).replace("\\", "/") for file in given]
    if len(files) == 1:
        return files[0]
    names = names_of([file.rpartition("/")[2] for file in files])
    kinds = [name.kind or str(number) for number, name in enumerate(names)]
    if modality is None:
        raise ValueError(
            f"its image is a list of {len(files)} files ({', '.join(kinds)}); choose one with "
            f"dataset_options={{modality: {next(iter(kinds), 0)}}}"
        )
    if str(modality).isdigit() and int(modality) < len(files) and str(modality) not in kinds:
        return files[int(modality)]
    wanted = chosen_kinds(str(modality), dict.fromkeys(kinds, 1))
    return next(file for file, kind in zip(files, kinds, strict=True) if kind in wanted)
