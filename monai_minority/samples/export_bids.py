"""Write the slices of real images and their scores as a BIDS derivative."""

import json
import os
import re
from pathlib import Path

import numpy as np
import pandas as pd

from monai_minority.data.store.image_store import ImageStore
from monai_minority.files import whole_folder, write_csv
from monai_minority.keys import Column
from monai_minority.samples.export import is_synthetic, save_nifti
from monai_minority.version import __version__

DESCRIPTION = "dataset_description.json"
_OF_A_SUBJECT = (Column.SPLIT, Column.GROUP, Column.SEVERITY)


def export_bids(store: ImageStore, folder: str | os.PathLike[str], suffix: str = "T1w") -> Path:
    """Write a store as a BIDS derivative: of each volume its slices as NIfTI and a table of their scores.

    ``sub-<label>/anat/sub-<label>[_run-<n>]_desc-slices_<suffix>.nii.gz`` has the slices in the order of the store,
    ``…_desc-slices_scores.tsv`` beside it a row a slice (``index`` along the fourth axis, and the columns of the
    store), and ``participants.tsv`` a row a subject. Subjects are the pseudonyms of the store.

    Args:
        store: real images with the columns ``subject`` and ``source``, scored or not.
        folder: output folder. An earlier export is replaced as a whole.
        suffix: of BIDS, for what the images are.

    Returns:
        ``folder``.

    Raises:
        ValueError: the store is synthetic, lacks a column or has several channels, or the suffix is no BIDS suffix.
        FileExistsError: ``folder`` exists and is not such an export.

    Example:
        >>> import tempfile, numpy as np
        >>> from monai_minority.data import ImageStore
        >>> from monai_minority.samples import export_bids
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     table = {"source": ["sub-a1_01", "sub-a1_01"], "subject": ["sub-a1"] * 2, "minority_score": [0.1, 0.3]}
        ...     store = ImageStore.create(f"{folder}/store", np.zeros((2, 1, 4, 4), np.uint8), table, (0, 255))
        ...     made = export_bids(store, f"{folder}/bids")
        ...     sorted(file.relative_to(made).as_posix() for file in made.rglob("sub-*/anat/*"))
        ['sub-a1/anat/sub-a1_desc-slices_T1w.nii.gz', 'sub-a1/anat/sub-a1_desc-slices_scores.tsv']
    """
    table, folder = store.table, Path(folder)
    lacking = [name.value for name in (Column.SUBJECT, Column.SOURCE) if name not in table]
    if lacking or is_synthetic(store):
        what = "is synthetic; use the stage export" if is_synthetic(store) else f"lacks {', '.join(lacking)}"
        raise ValueError(f"{store.path} must hold real images with their subjects and sources, but it {what}")
    if not re.fullmatch(r"[A-Za-z0-9]+", suffix):
        raise ValueError(f"suffix must be letters and digits, such as T1w, got {suffix!r}")
    if folder.exists() and not (folder / DESCRIPTION).is_file():
        raise FileExistsError(f"{folder} exists and is no BIDS derivative (no {DESCRIPTION}), so it is not replaced")
    with whole_folder(folder) as partial:
        for subject, rows in table.groupby(str(Column.SUBJECT), sort=True):
            label = "sub-" + re.sub(r"[^A-Za-z0-9]", "", str(subject).removeprefix("sub-"))
            sources = rows[Column.SOURCE].unique()
            for number, source in enumerate(sources, start=1):
                run = f"_run-{number:02d}" if len(sources) > 1 else ""
                stem = partial / label / "anat" / f"{label}{run}_desc-slices"
                chosen = (table[Column.SOURCE] == source).to_numpy()
                save_nifti(store.subset(chosen), f"{stem}_{suffix}.nii.gz")
                own = table[chosen].drop(columns=[str(Column.SUBJECT), str(Column.SOURCE)])
                own.insert(0, "index", np.arange(len(own)))
                write_csv(own, f"{stem}_scores.tsv", sep="\t", na_rep="n/a")
        kept = [str(name) for name in _OF_A_SUBJECT if name in table]
        subjects = table.drop_duplicates(str(Column.SUBJECT)).set_index(str(Column.SUBJECT))[kept]
        participants = pd.DataFrame(subjects).rename_axis("participant_id").sort_index()
        write_csv(participants, partial / "participants.tsv", index=True, sep="\t", na_rep="n/a")
        (partial / DESCRIPTION).write_text(json.dumps(_description(), indent=2) + "\n", encoding="utf-8")
    return folder


def _description() -> dict[str, object]:
    return {
        "Name": "Slices and minority scores",
        "BIDSVersion": "1.9.0",
        "DatasetType": "derivative",
        "GeneratedBy": [
            {
                "Name": "monai_minority",
                "Version": __version__,
                "Description": "Slices as the networks see them, and minority scores (higher is rarer)",
            }
        ],
    }
