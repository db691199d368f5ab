import json
from collections import Counter
from pathlib import Path

import nibabel
import numpy as np
import pandas as pd
import pytest
import torch
from monai.bundle import ConfigParser
from nilearn import datasets, image

from monai_minority.data import make_phantom_cohort
from monai_minority.data.phantom import cohort as phantom
from monai_minority.data.phantom.cohort import cohort_severities

SMALL = {"num_subjects": 4, "abnormal_fraction": 0.25, "spacing": 4.0, "seed": 3, "progress": False}


@pytest.fixture(scope="module")
def cohort(tmp_path_factory) -> Path:
    return make_phantom_cohort(tmp_path_factory.mktemp("phantom") / "cohort", num_workers=2, **SMALL)


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def volume(folder: Path, subject: str) -> nibabel.Nifti1Image:
    return nibabel.load(folder / subject / "anat" / f"{subject}_T1w.nii.gz")


@pytest.mark.parametrize(
    ("subjects", "fraction", "abnormal"),
    [(200, 0.045, 9), (400, 0.045, 18), (5, 0.01, 1), (7, 0.0, 0), (3, 1.0, 3)],
)
def test_number_of_abnormal_subjects(subjects, fraction, abnormal):
    severities = cohort_severities(subjects, fraction, seed=0)
    assert np.count_nonzero(severities) == abnormal
    assert np.all((severities == 0) | ((severities >= 0.4) & (severities <= 1.0)))


def test_participants_tell_the_truth_of_the_files(cohort):
    table = pd.read_csv(cohort / "participants.tsv", sep="\t")
    assert list(table.participant_id) == ["sub-0001", "sub-0002", "sub-0003", "sub-0004"]
    assert {path.name for path in cohort.glob("sub-*")} == set(table.participant_id)
    assert Counter(table.group) == {"normal": 3, "atrophy": 1}
    assert np.array_equal(table.severity > 0, table.group == "atrophy")
    np.testing.assert_allclose(table.severity, cohort_severities(4, 0.25, 3))
    assert set(json.loads((cohort / "participants.json").read_text())) == set(table.columns[1:])
    for row in table.itertuples():
        truth = json.loads((cohort / row.participant_id / "anat" / f"{row.participant_id}_T1w.json").read_text())
        assert truth["Synthetic"] is True
        assert truth["severity"] == row.severity
        assert truth["ventricle_volume_mm3"] == pytest.approx(row.ventricle_volume_mm3, abs=1e-3)


def test_volumes_lie_in_the_template_space(cohort):
    brain = datasets.load_mni152_brain_mask(resolution=2)
    for subject in ("sub-0001", "sub-0002", "sub-0003", "sub-0004"):
        scan = volume(cohort, subject)
        assert nibabel.aff2axcodes(scan.affine) == ("R", "A", "S")
        assert scan.header.get_zooms() == (4.0, 4.0, 4.0)
        voxels = np.asarray(scan.dataobj)
        assert voxels.dtype == np.int16
        assert voxels.min() == 0
        assert not any(voxels.take(end, axis).any() for axis in (0, 1) for end in (0, -1)), "the head is cut off"
        # Dice overlap with the template's brain, both in mm: a flipped or shifted affine falls far below.
        expected = image.resample_to_img(
            brain, scan, interpolation="nearest", force_resample=True, copy_header=True
        ).get_fdata()
        overlap = 2 * ((voxels > 0) & (expected > 0)).sum() / ((voxels > 0).sum() + (expected > 0).sum())
        assert overlap > 0.88


def test_same_images_whatever_the_number_of_workers(cohort, tmp_path):
    threads = torch.get_num_threads()
    assert contents(make_phantom_cohort(tmp_path / "one", num_workers=1, **SMALL)) == contents(cohort)
    assert torch.get_num_threads() == threads


def test_a_subject_depends_on_its_own_seed_alone(cohort, tmp_path):
    fewer = make_phantom_cohort(tmp_path / "fewer", **SMALL | {"num_subjects": 2, "abnormal_fraction": 0.0})
    normal = np.flatnonzero(cohort_severities(4, 0.25, 3)[:2] == 0)
    assert len(normal) > 0
    for index in normal:
        subject = f"sub-{index + 1:04d}"
        assert np.array_equal(volume(fewer, subject).dataobj, volume(cohort, subject).dataobj)
    other = make_phantom_cohort(tmp_path / "other", **SMALL | {"num_subjects": 1, "seed": 4})
    assert not np.array_equal(volume(other, "sub-0001").dataobj, volume(cohort, "sub-0001").dataobj)


def test_a_complete_cohort_is_left_alone(cohort, monkeypatch):
    before = {path: path.stat().st_mtime_ns for path in cohort.rglob("*")}
    monkeypatch.setattr(phantom, "simulate_subject", None)
    assert make_phantom_cohort(cohort, **SMALL) == cohort
    assert {path: path.stat().st_mtime_ns for path in cohort.rglob("*")} == before


def test_an_interrupted_run_leaves_no_half_subject_and_goes_on(cohort, tmp_path, monkeypatch):
    folder, real_save, written = tmp_path / "cohort", nibabel.save, []

    def failing_save(scan, path):
        if len(written) == 2:
            path.write_bytes(b"half a file")
            raise OSError(28, "No space left on device")
        written.append(path)
        real_save(scan, path)

    monkeypatch.setattr(nibabel, "save", failing_save)
    with pytest.raises(OSError, match="No space left"):
        make_phantom_cohort(folder, num_workers=1, **SMALL)
    assert not folder.exists()
    whole = sorted(path.name for path in tmp_path.glob(".cohort.unfinished/sub-*"))
    assert whole == ["sub-0001", "sub-0002"]

    written.clear()
    monkeypatch.setattr(nibabel, "save", lambda scan, path: (written.append(path), real_save(scan, path)))
    make_phantom_cohort(folder, num_workers=1, **SMALL)
    assert len(written) == 2
    assert contents(folder) == contents(cohort)
    assert [path.name for path in tmp_path.iterdir()] == ["cohort"]


def test_another_cohort_or_a_strange_folder_is_never_overwritten(cohort, tmp_path):
    with pytest.raises(ValueError, match="choose another folder"):
        make_phantom_cohort(cohort, **SMALL | {"seed": 9})
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(ValueError, match="choose another folder"):
        make_phantom_cohort(tmp_path, **SMALL)
    assert (tmp_path / "thesis.txt").read_text() == "mine"


@pytest.mark.parametrize(
    "wrong",
    [{"num_subjects": 0}, {"abnormal_fraction": 4.5}, {"abnormal_fraction": float("nan")}, {"spacing": 0.0}],
)
def test_settings_out_of_range_are_named(wrong, tmp_path):
    (name,) = wrong
    with pytest.raises(ValueError, match=f"^{name} must be"):
        make_phantom_cohort(tmp_path / "cohort", **SMALL | wrong)


def test_it_can_be_a_target_of_a_configuration(cohort):
    config = {"cohort": {"_target_": "monai_minority.data.make_phantom_cohort", "folder": str(cohort), **SMALL}}
    assert ConfigParser(config).get_parsed_content("cohort") == cohort
