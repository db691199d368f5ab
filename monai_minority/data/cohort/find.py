"""Find images in a folder, a BIDS data set, a CSV file, a MONAI data list or a folder of pictures.

Each function returns a :class:`~monai_minority.data.Cohort`. It rejects unusable entries with a reason, and raises
only if nothing can be read.
"""

import json
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from monai_minority.data.cohort.cohort import Cohort
from monai_minority.data.cohort.dicom_folder import cohort_from_dicom, looks_like_dicom
from monai_minority.data.cohort.tables import named, read_table, some, with_labels, without_rows
from monai_minority.data.paths import PathLike, Rejection, existing, stem, walk
from monai_minority.keys import Column, Key, Split

VOLUMES = (".nii", ".nii.gz", ".hdr", ".hdr.gz")
PICTURES = (".jpg", ".jpeg", ".png", ".webp")
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


def find_cohort(path: PathLike, **options: Any) -> Cohort:
    """Make a cohort with the function that fits ``path``.

    ============================================  =============================
    ``path``                                      function
    ============================================  =============================
    ``.csv`` or ``.tsv`` file                     :func:`cohort_from_csv`
    ``.json`` file                                :func:`cohort_from_datalist`
    folder with ``participants.tsv``              :func:`cohort_from_bids`
    folder with a NIfTI file at any depth         :func:`cohort_from_folder`
    folder with a DICOM file at any depth         :func:`cohort_from_dicom`
    any other folder                              :func:`cohort_from_pictures`
    ============================================  =============================

    Args:
        path: the file or folder. The first line of the table that fits counts.
        options: arguments of that function.

    Raises:
        FileNotFoundError: ``path`` does not exist.
        ValueError: the file has another ending, or the function finds nothing usable.

    Example:
        >>> import tempfile
        >>> from pathlib import Path
        >>> from monai_minority.data import find_cohort
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     (Path(folder) / "sub-01").mkdir()
        ...     (Path(folder) / "sub-01" / "t1.nii.gz").touch()
        ...     find_cohort(folder).table["subject"].tolist()
        ['sub-01']
    """
    path = existing(path)
    if path.is_file():
        if path.suffix.lower() == ".json":
            return cohort_from_datalist(path, **options)
        if path.suffix.lower() in (".csv", ".tsv"):
            return cohort_from_csv(path, **options)
        raise ValueError(f"{path} must be a folder or a .csv, .tsv or .json file")
    if (path / "participants.tsv").is_file():
        return cohort_from_bids(path, **options)
    if any(walk(path, VOLUMES, [])):
        return cohort_from_folder(path, **options)
    if any(looks_like_dicom(file) for file in walk(path, ("",), []) if file.suffix.lower() not in PICTURES):
        return cohort_from_dicom(path, **options)
    return cohort_from_pictures(path, **options)


def cohort_from_folder(folder: PathLike, subject_pattern: str | None = None) -> Cohort:
    """All NIfTI volumes under ``folder``, at any depth.

    Args:
        folder: where to look. Hidden files and folders are skipped.
        subject_pattern: regular expression that is searched in the path relative to ``folder``. Its first group is
            the subject. ``None``: a BIDS-like ``sub-<label>`` in the path is the subject; a file without one counts
            as a separate subject.

    Raises:
        FileNotFoundError: the folder does not exist.
        ValueError: the folder has no NIfTI file, or the pattern has no group.

    Example:
        >>> import tempfile
        >>> from pathlib import Path
        >>> from monai_minority.data import cohort_from_folder
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     for name in ("P1_t1.nii.gz", "P2_t1.nii.gz"):
        ...         (Path(folder) / name).touch()
        ...     cohort_from_folder(folder, subject_pattern="(P[0-9]+)_").table["subject"].tolist()
        ['P1', 'P2']
    """
    folder = existing(folder)
    pattern = re.compile(subject_pattern or r"(sub-[A-Za-z0-9]+)")
    if not pattern.groups:
        raise ValueError(f"subject_pattern must have a group, for instance '(P[0-9]+)_', got {subject_pattern!r}")
    rejected: list[Rejection] = []
    records = []
    for file in walk(folder, VOLUMES, rejected):
        below = file.relative_to(folder).as_posix()
        found = pattern.search(below)
        if found:
            records.append({Key.IMAGE: file, Column.SUBJECT: found[1]})
        elif subject_pattern is None:
            records.append({Key.IMAGE: file, Column.SUBJECT: stem(below)})
        else:
            rejected.append(Rejection(str(file), "", f"the path does not match subject_pattern {subject_pattern!r}"))
    return Cohort.from_records(some(records, folder, "NIfTI file", rejected), rejected)


def cohort_from_bids(folder: PathLike, suffix: str = "T1w", **columns: str) -> Cohort:
    """The images with one suffix in a BIDS data set, joined with ``participants.tsv`` by ``participant_id``.

    A row is rejected if its subject has no image or is already listed. An image whose subject has no row is kept
    without labels.

    Args:
        folder: root of the data set. ``derivatives`` and ``sourcedata`` are skipped.
        suffix: the last part of the file names, for example ``T1w`` or ``FLAIR``.
        columns: names of ``group``, ``severity`` and ``split`` in ``participants.tsv``, as in
            :func:`cohort_from_csv`.

    Raises:
        FileNotFoundError: the folder does not exist.
        ValueError: there is no image with the suffix, or ``participants.tsv`` lacks a column.

    Example:
        >>> import tempfile
        >>> from pathlib import Path
        >>> from monai_minority.data import cohort_from_bids
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     anat = Path(folder) / "sub-01" / "anat"
        ...     anat.mkdir(parents=True)
        ...     (anat / "sub-01_T1w.nii.gz").touch()
        ...     size = (Path(folder) / "participants.tsv").write_text("participant_id\\tdiagnosis\\nsub-01\\tcontrol")
        ...     cohort = cohort_from_bids(folder, group="diagnosis")
        >>> cohort.table[["subject", "group"]].iloc[0].tolist()
        ['sub-01', 'control']
    """
    folder = existing(folder)
    rejected: list[Rejection] = []
    records, others = [], set()
    for file in walk(folder, VOLUMES, rejected, skip=("derivatives", "sourcedata")):
        found = re.search(r"(?:^|/)(sub-[A-Za-z0-9]+)/", file.relative_to(folder).as_posix())
        own = stem(file.name).rpartition("_")[2]
        if found and own == suffix:
            records.append({Key.IMAGE: str(file), Column.SUBJECT: found[1]})
        elif found:
            others.add(own)
    what = f"image with suffix {suffix!r}" + (f" (there are {', '.join(sorted(others))})" if others else "")
    table = pd.DataFrame(some(records, folder, what, rejected))
    labels_path = folder / "participants.tsv"
    if labels_path.is_file():
        table = with_labels(table, labels_path, "participant_id", columns, rejected)
    return Cohort.from_records(table, rejected)


def cohort_from_csv(
    path: PathLike,
    image: str = "image",
    subject: str = "subject",
    group: str | None = None,
    severity: str | None = None,
    split: str | None = None,
    leave_out: Mapping[str, str | Sequence[str]] | None = None,
) -> Cohort:
    """The images of a CSV or TSV file with one row per image. All other columns are kept.

    Args:
        path: the file. Relative image paths start at its folder.
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
    table = without_rows(read_table(path), path, leave_out or {})
    own = named(
        table,
        path,
        {"image": image, "subject": subject, "group": group, "severity": severity, "split": split},
    )
    own[Key.IMAGE] = own[Key.IMAGE].map(lambda p: str(path.parent / p), na_action="ignore")
    return Cohort.from_records(own)


def cohort_from_datalist(datalist: PathLike | Sequence[Mapping[str, Any]], base_dir: PathLike | None = None) -> Cohort:
    """The images of a MONAI data list.

    Args:
        datalist: a list of dictionaries with ``image`` and, if known, ``subject``, ``group``, ``severity`` and
            ``split``; or a JSON file with such a list or with sections (``training``, ``validation``, ``test``) that
            become splits. A bare path in a section stands for ``{"image": path}``. An image without a subject counts
            as a separate subject.
        base_dir: folder where relative paths start. ``None``: the folder of the JSON file, or the working directory
            for a list.

    Raises:
        FileNotFoundError: the JSON file does not exist.
        ValueError: no entry is usable.

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
        content = json.loads(path.read_text(encoding="utf-8"))
        base = Path(base_dir) if base_dir else path.parent
    else:
        content, base = list(datalist), Path(base_dir or ".")
    sections = content if isinstance(content, dict) else {None: content}
    records = []
    for section, entries in sections.items():
        if not isinstance(entries, list) or (section is not None and section.lower() not in SECTIONS):
            continue  # a data list may also hold a description, modalities and so on
        for entry in entries:
            record = dict(entry) if isinstance(entry, Mapping) else {Key.IMAGE: entry}
            file = record.get(Key.IMAGE)
            if section is not None:
                record.setdefault(Column.SPLIT, SECTIONS[section.lower()])
            if file is not None:
                record.setdefault(Column.SUBJECT, stem(str(file)))
                record[Key.IMAGE] = str(base / str(file))
            records.append({str(k): v for k, v in record.items() if k != "label"})
    return Cohort.from_records(records)


def cohort_from_pictures(folder: PathLike, subject_pattern: str | None = None) -> Cohort:
    """The JPEG, PNG and WebP pictures under ``folder``. The name of the folder of a picture is its group.

    Args:
        folder: where to look, at any depth. Hidden files and folders are skipped.
        subject_pattern: regular expression that finds the subject in the path, see :func:`cohort_from_folder`.
            ``None``: every picture counts as a separate subject.

    Returns:
        A cohort with ``group`` and ``class_label``, which numbers the groups in alphabetical order from 0.

    Raises:
        FileNotFoundError: the folder does not exist.
        ValueError: the folder has no usable picture.

    Example:
        >>> import tempfile
        >>> from pathlib import Path
        >>> from monai_minority.data import cohort_from_pictures
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     for name in ("healthy", "ill"):
        ...         (Path(folder) / name).mkdir()
        ...         (Path(folder) / name / "1.png").touch()
        ...     cohort_from_pictures(folder).table[["subject", "group", "class_label"]].to_numpy().tolist()
        [['healthy/1.png', 'healthy', 0], ['ill/1.png', 'ill', 1]]
    """
    folder = existing(folder)
    rejected: list[Rejection] = []
    files = some(list(walk(folder, PICTURES, rejected)), folder, "JPEG, PNG or WebP picture", rejected)
    labels = {name: label for label, name in enumerate(sorted({file.parent.name for file in files}))}
    records = []
    for file in files:
        below = file.relative_to(folder).as_posix()
        found = re.search(subject_pattern, below) if subject_pattern else None
        if subject_pattern and not found:
            rejected.append(Rejection(str(file), "", f"the path does not match subject_pattern {subject_pattern!r}"))
            continue
        name = found[1] if found else below
        label = labels[file.parent.name]
        records.append(
            {
                Key.IMAGE: file,
                Column.SUBJECT: name,
                Column.GROUP: file.parent.name,
                str(Column.CLASS_LABEL): label,
            }
        )
    return Cohort.from_records(records, rejected)
