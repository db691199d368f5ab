"""Slices and scores go out as a BIDS derivative that BIDS readers and this program's own reader understand."""

import json

import nibabel as nib
import numpy as np
import pandas as pd
import pytest

from monai_minority.data import ImageStore, cohort_from_bids
from monai_minority.samples import export_bids


@pytest.fixture
def store(tmp_path):
    table = pd.DataFrame(
        {
            "source": ["sub-a1_01"] * 2 + ["sub-b2_01"] * 2 + ["sub-b2_02"] * 2,
            "subject": ["sub-a1"] * 2 + ["sub-b2"] * 4,
            "slice": [3, 5] * 3,
            "split": ["train"] * 2 + ["test"] * 4,
            "group": ["x"] * 2 + [None] * 4,
            "minority_score": np.arange(6) / 10,
        }
    )
    pixels = np.arange(6, dtype=np.uint8)[:, None, None, None] + np.zeros((1, 1, 4, 5), np.uint8)
    return ImageStore.create(tmp_path / "store", pixels, table, (0, 255), geometry={"axis": "axial"})


def test_each_volume_has_its_slices_and_scores(tmp_path, store):
    made = export_bids(store, tmp_path / "bids", suffix="FLAIR")
    files = sorted(path.relative_to(made).as_posix() for path in made.rglob("*") if path.is_file())
    assert files == [
        "dataset_description.json",
        "participants.tsv",
        "sub-a1/anat/sub-a1_desc-slices_FLAIR.nii.gz",
        "sub-a1/anat/sub-a1_desc-slices_scores.tsv",
        "sub-b2/anat/sub-b2_run-01_desc-slices_FLAIR.nii.gz",
        "sub-b2/anat/sub-b2_run-01_desc-slices_scores.tsv",
        "sub-b2/anat/sub-b2_run-02_desc-slices_FLAIR.nii.gz",
        "sub-b2/anat/sub-b2_run-02_desc-slices_scores.tsv",
    ]
    volume = nib.load(made / files[6])
    assert volume.shape == (5, 4, 1, 2) and np.asarray(volume.dataobj)[0, 0, 0].tolist() == [4, 5]
    scores = pd.read_csv(made / files[7], sep="\t")
    assert scores[["index", "slice", "minority_score"]].to_numpy().tolist() == [[0, 3, 0.4], [1, 5, 0.5]]
    rows = (made / "participants.tsv").read_text().splitlines()
    assert rows == ["participant_id\tsplit\tgroup", "sub-a1\ttrain\tx", "sub-b2\ttest\tn/a"]
    description = json.loads((made / "dataset_description.json").read_text())
    assert description["DatasetType"] == "derivative" and description["GeneratedBy"][0]["Name"] == "monai_minority"
    back = cohort_from_bids(made, suffix="FLAIR").table
    assert back["subject"].tolist() == ["sub-a1", "sub-b2", "sub-b2"]
    assert export_bids(store, made) == made, "an earlier one is replaced"


def test_what_is_no_derivative_stays_and_samples_are_refused(tmp_path, store):
    (tmp_path / "mine").mkdir()
    with pytest.raises(FileExistsError, match="is no BIDS derivative"):
        export_bids(store, tmp_path / "mine")
    with pytest.raises(ValueError, match="suffix must be letters and digits, such as T1w, got 'T1_w'"):
        export_bids(store, tmp_path / "bids", "T1_w")
    pixels = np.zeros((1, 1, 2, 2), np.uint8)
    made = ImageStore.create(tmp_path / "made", pixels, {"seed": [1]}, (0, 255), synthetic=True)
    with pytest.raises(ValueError, match="must hold real images with their subjects and sources, but it is synthetic"):
        export_bids(made, tmp_path / "bids")
