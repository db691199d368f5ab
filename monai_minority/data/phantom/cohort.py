"""A cohort of synthetic brain volumes with known atrophy, written as an ordinary BIDS data set."""

from __future__ import annotations

import json
import os
import shutil
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path

import nibabel
import numpy as np
import pandas as pd
import torch

from monai_minority.data.phantom.anatomy import grid_affine, load_anatomy
from monai_minority.data.phantom.subject import PhantomSubject, simulate_subject
from monai_minority.files import sealing
from monai_minority.keys import Column
from monai_minority.progress import progress_bar

GENERATOR = 1
"""Version of the generator. It is raised when the same settings give other images, so old cohorts are recognised."""

SEVERITY_RANGE = (0.4, 1.0)
"""Severities of abnormal subjects are uniform in this range; a normal subject has 0."""

NORMAL, ATROPHY = "normal", "atrophy"
"""The two values of the ``group`` column."""

_WHITE_MATTER_LEVEL = 1000  # as stored int16, a typical value of scanners

_COLUMNS = {
    Column.GROUP: "normal, or atrophy with a severity above 0",
    Column.SEVERITY: "true severity of the simulated atrophy, 0 (none) to 1",
    "ventricle_volume_mm3": "true volume of the lateral ventricles",
    "cortex_volume_mm3": "true volume of the cerebral cortex",
    "cortex_thickness_mm": "cortical volume over the area of its border with white matter: follows thickness "
    "and exceeds it, as the averaged template hides the deeper sulci",
    "brain_volume_mm3": "true volume of grey and white matter",
}


def make_phantom_cohort(
    folder: str | os.PathLike,
    num_subjects: int = 200,
    abnormal_fraction: float = 0.045,
    spacing: float = 2.0,
    seed: int = 0,
    num_workers: int | None = None,
    progress: bool = True,
) -> Path:
    """Write a cohort of synthetic T1-weighted brains, a few of them with graded atrophy.

    Every subject is the MNI152 template, deformed, atrophied and imaged by
    :func:`~monai_minority.data.phantom.subject.simulate_subject`. The folder has
    ``sub-XXXX/anat/sub-XXXX_T1w.nii.gz`` (int16, arbitrary units, skull-stripped, RAS, 176 x 216 x 172 mm),
    ``participants.tsv`` (group, severity and measured volumes, explained in ``participants.json``) and
    ``dataset_description.json``.

    The folder appears under its name when it is complete. After an interruption, finished subjects are kept in a
    hidden folder beside it and reused. A complete cohort with the same settings is left unchanged.

    Args:
        folder: output folder. It must be new or empty, or hold the same cohort.
        num_subjects: number of subjects.
        abnormal_fraction: share of subjects with atrophy, rounded to whole subjects; at least one subject unless the
            share is 0.
        spacing: voxel size in mm.
        seed: seed of the cohort. Subject ``i`` depends only on ``(seed, i)`` and its severity.
        num_workers: number of threads; by default one per processor. The images do not depend on it.
        progress: whether to show a progress bar.

    Returns:
        The folder.

    Raises:
        ValueError: settings are out of range, or the folder holds something else.

    Example:
        >>> import tempfile
        >>> from monai_minority.data import cohort_from_bids, make_phantom_cohort
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     made = make_phantom_cohort(f"{folder}/phantom", 2, abnormal_fraction=0.5, spacing=8.0, progress=False)
        ...     sorted(cohort_from_bids(made, group="group").table["group"])
        ['atrophy', 'normal']
    """
    if num_subjects < 1:
        raise ValueError(f"num_subjects must be at least 1, got {num_subjects}")
    if not 0 <= abnormal_fraction <= 1:
        raise ValueError(f"abnormal_fraction must be in [0, 1], got {abnormal_fraction}; 0.045 is 4.5 %")
    if not 0.5 <= spacing <= 8:
        raise ValueError(f"spacing must be in [0.5, 8] mm, got {spacing}; 2 mm suits slices of 64 x 64")
    folder = Path(folder)
    settings = {
        "generator": GENERATOR,
        "num_subjects": int(num_subjects),
        "abnormal_fraction": float(abnormal_fraction),
        "spacing": float(spacing),
        "seed": int(seed),
    }
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        if _settings_of(folder) != settings:
            raise ValueError(
                f"{folder} must be a new folder or hold a phantom cohort with the settings {settings}, "
                f"but it holds something else ({_settings_of(folder)}); choose another folder or remove it"
            )
        return folder

    unfinished = folder.with_name(f".{folder.name}.unfinished")
    _begin(unfinished, settings)
    severities = cohort_severities(num_subjects, abnormal_fraction, seed)
    _make_subjects(unfinished, severities, spacing, seed, num_workers or os.cpu_count() or 1, progress)
    _participants(unfinished, severities).to_csv(unfinished / "participants.tsv", sep="\t", index=False)
    with sealing(folder / "participants.tsv", unfinished / "participants.tsv"):
        unfinished.replace(folder)
    return folder


def cohort_severities(num_subjects: int, abnormal_fraction: float, seed: int) -> np.ndarray:
    """True severity of each subject, ``[num_subjects]``: 0 for most, in :data:`SEVERITY_RANGE` for a few."""
    abnormal = max(1, round(abnormal_fraction * num_subjects)) if abnormal_fraction > 0 else 0
    rng = np.random.default_rng(np.random.SeedSequence(seed))
    severities = np.zeros(num_subjects)
    severities[rng.permutation(num_subjects)[:abnormal]] = rng.uniform(*SEVERITY_RANGE, size=abnormal)
    return severities.round(4)


def _settings_of(folder: Path) -> dict | None:
    try:
        return json.loads((folder / "dataset_description.json").read_text())["PhantomSettings"]
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _begin(folder: Path, settings: dict) -> None:
    """Prepare the unfinished folder; keep the finished subjects of an earlier run with the same settings."""
    if _settings_of(folder) != settings:
        shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True, exist_ok=True)
    for half in folder.glob(".sub-*"):
        shutil.rmtree(half)
    description = {
        "Name": "Synthetic brain phantom with known atrophy",
        "BIDSVersion": "1.9.0",
        "DatasetType": "derivative",
        "GeneratedBy": [
            {
                "Name": "monai_minority.data.make_phantom_cohort",
                "Description": "SYNTHETIC: simulated from the ICBM 152 2009a template, no real person.",
            }
        ],
        "PhantomSettings": settings,
    }
    columns = {str(name): {"Description": text} for name, text in _COLUMNS.items()}
    (folder / "dataset_description.json").write_text(json.dumps(description, indent=2))
    (folder / "participants.json").write_text(json.dumps(columns, indent=2))


def _make_subjects(folder: Path, severities, spacing: float, seed: int, num_workers: int, progress: bool) -> None:
    missing = [i for i in range(len(severities)) if not (folder / _name(i)).is_dir()]
    if not missing:
        return
    # With maps finer than the image, the second interpolation does not blur the cortex.
    anatomy = load_anatomy(1 if spacing < 3 else 2)

    def make(index: int) -> None:
        stream = np.random.SeedSequence((seed, index))
        subject = simulate_subject(anatomy, stream, float(severities[index]), spacing)
        _write_subject(folder, _name(index), subject, spacing)

    # Threads are enough, because the work is done outside the interpreter lock. Each thread uses one processor.
    threads = torch.get_num_threads()
    pool = ThreadPoolExecutor(num_workers, initializer=torch.set_num_threads, initargs=(1,))
    try:
        done = pool.map(make, missing)
        finished = len(severities) - len(missing)
        for _ in progress_bar(
            done, "phantom cohort", len(severities), initial=finished, unit="subject", enabled=progress
        ):
            pass
    finally:
        pool.shutdown(cancel_futures=True)
        torch.set_num_threads(threads)


def _name(index: int) -> str:
    return f"sub-{index + 1:04d}"


def _write_subject(folder: Path, name: str, subject: PhantomSubject, spacing: float) -> None:
    half = folder / f".{name}"
    (half / "anat").mkdir(parents=True)
    voxels = np.round(subject.image * _WHITE_MATTER_LEVEL).astype(np.int16)
    image = nibabel.Nifti1Image(voxels, grid_affine(spacing))
    image.header.set_xyzt_units("mm")
    image.header["descrip"] = b"synthetic phantom"
    nibabel.save(image, half / "anat" / f"{name}_T1w.nii.gz")
    truth = {key: value for key, value in asdict(subject).items() if key != "image"}
    (half / "anat" / f"{name}_T1w.json").write_text(json.dumps({"Synthetic": True, **truth}, indent=2))
    half.replace(folder / name)


def _participants(folder: Path, severities: np.ndarray) -> pd.DataFrame:
    rows = []
    for index, severity in enumerate(severities):
        name = _name(index)
        truth = json.loads((folder / name / "anat" / f"{name}_T1w.json").read_text())
        truth[Column.GROUP] = ATROPHY if severity > 0 else NORMAL
        rows.append({"participant_id": name} | {str(column): truth[column] for column in _COLUMNS})
    return pd.DataFrame(rows).round(4)
