"""Images are found wherever a person keeps them, with the right subject and labels."""

import json
import os
from pathlib import Path

import pandas as pd
import pytest

from monai_minority.data import (
    cohort_from_bids,
    cohort_from_csv,
    cohort_from_datalist,
    cohort_from_folder,
    cohort_from_pictures,
    find_cohort,
)


def _touch(root, *names):
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")


def _rows(cohort, *columns):
    return list(cohort.table[list(columns)].itertuples(index=False, name=None))


def test_folder_finds_volumes_at_any_depth(tmp_path):
    _touch(tmp_path, "b.nii", "deep/er/a.NII.GZ", "sub-07/ses-1/x.nii", "notes.txt", "._b.nii", ".cache/c.nii")
    cohort = cohort_from_folder(tmp_path)
    assert _rows(cohort, "subject") == [("a",), ("b",), ("sub-07",)]
    assert find_cohort(tmp_path).table.equals(cohort.table)


def test_folder_takes_subjects_from_a_pattern(tmp_path):
    _touch(tmp_path, "P01_v1.nii", "P01_v2.nii", "P02_v1.nii", "odd.nii")
    cohort = cohort_from_folder(tmp_path, subject_pattern=r"(P\d+)_")
    assert [s for (s,) in _rows(cohort, "subject")] == ["P01", "P01", "P02"]
    assert [(Path(r.file).name, r.reason[:24]) for r in cohort.rejected] == [("odd.nii", "the path does not match ")]
    with pytest.raises(ValueError, match="must have a group"):
        cohort_from_folder(tmp_path, subject_pattern="P01")


def test_unreadable_folders_are_rejected(tmp_path, monkeypatch):
    _touch(tmp_path, "a.nii", "locked/b.nii")
    real = os.scandir

    def scandir(path):
        if os.fspath(path).endswith("locked"):
            raise PermissionError(13, "Permission denied", os.fspath(path))
        return real(path)

    monkeypatch.setattr(os, "scandir", scandir)
    cohort = cohort_from_folder(tmp_path)
    assert len(cohort) == 1
    assert [(r.file, r.reason) for r in cohort.rejected] == [
        (str(tmp_path / "locked"), "the folder cannot be read: Permission denied")
    ]
    with pytest.raises(PermissionError):
        cohort_from_folder(tmp_path / "locked")


def test_missing_and_empty_folders_raise(tmp_path):
    with pytest.raises(FileNotFoundError, match="does not exist"):
        find_cohort(tmp_path / "gone")
    with pytest.raises(ValueError, match="no volume under"):
        cohort_from_folder(tmp_path)


def test_bids_joins_participants(tmp_path):
    _touch(
        tmp_path,
        "sub-01/anat/sub-01_T1w.nii.gz",
        "sub-01/anat/sub-01_FLAIR.nii.gz",
        "sub-02/ses-a/anat/sub-02_ses-a_T1w.nii",
        "sub-03/anat/sub-03_T1w.nii.gz",
        "derivatives/x/sub-01/anat/sub-01_T1w.nii.gz",
    )
    (tmp_path / "participants.tsv").write_text(
        "participant_id\tage\tdiagnosis\tatrophy\n"
        "sub-01\t71\tAD\t0.5\n02\tn/a\tcontrol\t0\nsub-09\t60\tAD\t1\nsub-01\t72\tAD\t0.7\n"
    )
    cohort = cohort_from_bids(tmp_path, group="diagnosis", severity="atrophy")
    rows = cohort.table.astype(object).where(cohort.table.notna(), None)
    assert rows[["subject", "group", "severity", "age"]].to_numpy().tolist() == [
        ["sub-01", "AD", 0.5, 71],
        ["sub-02", "control", 0.0, None],
        ["sub-03", None, None, None],
    ]
    assert [(r.subject, r.reason) for r in cohort.rejected] == [
        ("sub-01", "participants.tsv, row 5: the subject is listed twice; the first row is kept"),
        ("sub-09", "participants.tsv, row 4: the subject has no image"),
    ]
    with pytest.raises(ValueError, match=r"suffix 'PDw' \(there are FLAIR, T1w\)"):
        cohort_from_bids(tmp_path, suffix="PDw")


def test_csv_resolves_paths_and_names_columns(tmp_path):
    _touch(tmp_path, "images/a.nii", "images/b.nii")
    rows = "images/a.nii,007,3000,train,1\nimages/b.nii,8,2500,test,\n"
    (tmp_path / "list.csv").write_text("file,who,mm3,role,site\n" + rows)
    cohort = cohort_from_csv(tmp_path / "list.csv", image="file", subject="who", severity="-mm3", split="role")
    assert _rows(cohort, "subject", "severity", "split", "mm3") == [
        ("007", -3000.0, "train", 3000),
        ("8", -2500.0, "test", 2500),
    ]
    assert cohort.table["image"].tolist() == [str(tmp_path / "images" / n) for n in ("a.nii", "b.nii")]
    assert cohort.table["site"].tolist()[0] == 1 and pd.isna(cohort.table["site"][1])
    with pytest.raises(ValueError, match="no column 'image' for image; it has file, who"):
        cohort_from_csv(tmp_path / "list.csv")


def test_csv_leaves_out_rows(tmp_path):
    _touch(tmp_path, "a.nii", "b.nii", "c.nii")
    path = tmp_path / "list.csv"
    path.write_text("image,subject,role,site\na.nii,p1,train,1\nb.nii,p1,extra,1\nc.nii,p2,test,2\n")
    kept = cohort_from_csv(path, split="role", leave_out={"role": "extra"})
    assert _rows(kept, "subject", "split") == [("p1", "train"), ("p2", "test")] and not kept.rejected
    assert _rows(cohort_from_csv(path, leave_out={"role": ["extra", "test"]}), "subject") == [("p1",)]
    assert _rows(cohort_from_csv(path, leave_out={"site": 1}), "subject") == [("p2",)]
    with pytest.raises(ValueError, match="that occur in the column role .* got extras; it has extra, test, train"):
        cohort_from_csv(path, leave_out={"role": ["extras"]})
    with pytest.raises(ValueError, match="leave_out must name columns of .*, got 'rolle'; it has image"):
        cohort_from_csv(path, leave_out={"rolle": "extra"})


def test_csv_rejects_missing_subjects(tmp_path):
    _touch(tmp_path, "a.nii")
    (tmp_path / "list.csv").write_text("image,subject,group\na.nii,p1,x\nb.nii,p2,y\n")
    cohort = find_cohort(tmp_path / "list.csv")
    assert _rows(cohort, "subject", "group") == [("p1", "x")]
    reason = f"list.csv, row 3: the file does not exist (tried {tmp_path / 'b.nii'})"
    assert [(r.subject, r.reason) for r in cohort.rejected] == [("p2", reason)]


def test_datalists_of_both_kinds(tmp_path):
    _touch(tmp_path, *[f"i/{n}.nii.gz" for n in "abc"])
    sections = {
        "name": "a task",
        "modality": {"0": "MRI"},
        "training": [
            {"image": "./i/a.nii.gz", "label": "l/a.nii.gz"},
            {"image": "i/b.nii.gz", "subject": "p", "group": "g"},
        ],
        "test": ["i/c.nii.gz"],
    }
    (tmp_path / "dataset.json").write_text(json.dumps(sections))
    cohort = find_cohort(tmp_path / "dataset.json")
    assert _rows(cohort, "subject", "split", "group") == [
        ("a", "train", None),
        ("c", "test", None),
        ("p", "train", "g"),
    ]
    plain = cohort_from_datalist([{"image": "i/a.nii.gz", "subject": "q", "severity": 1}], base_dir=tmp_path)
    assert _rows(plain, "subject", "severity", "split") == [("q", 1.0, None)]


def test_pictures_take_the_folder_as_group(tmp_path):
    _touch(tmp_path, "train/cat/1.jpg", "train/cat/2.PNG", "train/ape/1.jpeg", "train/ape/readme.md")
    cohort = find_cohort(tmp_path)
    assert _rows(cohort, "subject", "group", "class_label") == [
        ("train/ape/1.jpeg", "ape", 0),
        ("train/cat/1.jpg", "cat", 1),
        ("train/cat/2.PNG", "cat", 1),
    ]
    paired = cohort_from_pictures(tmp_path, subject_pattern=r"(\d)\.")
    assert paired.table["subject"].tolist() == ["1", "1", "2"]
