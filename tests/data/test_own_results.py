"""What this program made is never taken for a patient: run folders are passed over, and marked files are refused."""

import numpy as np
import pandas as pd
import pytest
from monai.transforms import Compose

from monai_minority.data import Cohort, ImageStore, cohort_from_dicom, extract_images, find_cohort
from monai_minority.data.paths import walk
from monai_minority.run import content
from monai_minority.samples import save_nifti
from monai_minority.samples.export_samples import export_samples
from monai_minority.transforms import LoadPictured, LoadVolumed
from tests.small_cohort import volume, write_volume


@pytest.fixture
def samples(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (12, 1, 8, 8), np.uint8)
    table = {"target_class": [3] * 12, "seed": range(12)}
    return ImageStore.create(tmp_path / "elsewhere/guided", pixels, table, (0, 255), synthetic=True)


@pytest.fixture
def data(tmp_path, samples):
    folder = tmp_path / "data"
    folder.mkdir()
    for number in range(3):
        write_volume(folder / f"sub-P{number}.nii.gz", volume(np.random.default_rng(number)))
    return folder


def _leave_a_run(folder, samples):
    folder.mkdir(exist_ok=True)
    (folder / "run.json").write_text('{"stages": {"prepare": {"outputs": ["store", "cohort.csv"]}}}')
    (folder / "cohort.csv").write_text("source,image\n")
    save_nifti(samples, folder / "samples/guided.nii.gz")


@pytest.mark.parametrize("place", ["run1", "deep/er/run1", "."])
def test_a_run_in_the_data_folder_is_passed_over(data, samples, place):
    before, state = find_cohort(data).table, content.of_path(data)
    (data / place).parent.mkdir(parents=True, exist_ok=True)
    _leave_a_run(data / place, samples)
    notes = []
    assert len(list(walk(data, (".nii.gz",), [], passed_over=notes))) == 3
    expected = "results of the run in this folder" if place == "." else "the folder is a run of monai_minority"
    assert len(notes) == 1 and expected in notes[0].reason
    assert find_cohort(data).table.equals(before)
    assert content.of_path(data) == state, "a later stage does not change the data of the first"


def test_a_store_and_an_export_in_the_data_folder_are_passed_over(data, samples):
    export_samples(samples, data / "exports/guided")
    ImageStore.create(data / "old/store", np.zeros((1, 1, 8, 8), np.uint8), {"source": ["a"]}, (0, 255))
    notes = []
    assert len(list(walk(data, ("",), [], passed_over=notes))) == 3
    assert sorted(entry.reason.split("is ")[1] for entry in notes) == [
        "an export of monai_minority",
        "an image store of monai_minority",
    ]


def test_marked_files_are_refused_in_every_format(tmp_path, samples):
    made = export_samples(samples, tmp_path / "made")
    for loaded, file in ((LoadVolumed(), "nifti/class_3/000001.nii.gz"), (LoadPictured(), "png/class_3/000001.png")):
        with pytest.raises(ValueError, match="marked as synthetic"):
            loaded({"image": made / file})
    with pytest.raises(ValueError, match="no usable DICOM series under .*; the file is marked as synthetic"):
        cohort_from_dicom(made / "dicom", modality=None, minimum_slices=1)


def test_a_marked_volume_in_a_list_is_refused_and_the_rest_goes_on(tmp_path, data, samples):
    file = save_nifti(samples, data / "class_3.nii.gz")
    records = [{"image": path, "subject": path.name} for path in (*data.glob("sub-*"), file)]
    transform = Compose([LoadVolumed(), lambda d: [{"image": d["image"][:, :, :, 14] / 1000, "slice": 14}]])
    store = extract_images(Cohort.from_records(records), transform, tmp_path / "run/store", progress=False)
    assert store.meta["files"] == {"read": 3, "rejected": 1}
    assert pd.read_csv(tmp_path / "run/rejected.csv")["reason"].tolist() == ["synthetic"]
    assert "marked as synthetic" in (tmp_path / "run/cohort.csv").read_text()


def test_a_phantom_is_no_sample(tmp_path):
    """Its voxels are simulated, and the whole pipeline is shown on it; the mark is that of generated images."""
    import nibabel

    image = nibabel.Nifti1Image(volume(np.random.default_rng(0)), np.diag([2.0, 2.0, 2.0, 1.0]))
    image.header["descrip"] = b"synthetic phantom"
    nibabel.save(image, tmp_path / "sub-0001_T1w.nii.gz")
    assert LoadVolumed()({"image": tmp_path / "sub-0001_T1w.nii.gz"})["image"].shape == (1, 28, 32, 28)


def test_a_link_to_a_folder_is_followed_once(tmp_path, data):
    (tmp_path / "links").mkdir()
    (tmp_path / "links/clinic").symlink_to(data)
    (data / "again").symlink_to(data)
    (data / "deep").mkdir()
    (data / "deep/loop").symlink_to(data / "deep")
    notes = []
    files = list(walk(tmp_path / "links", (".nii.gz",), [], passed_over=notes))
    assert [file.name for file in files] == ["sub-P0.nii.gz", "sub-P1.nii.gz", "sub-P2.nii.gz"]
    assert [entry.reason for entry in notes] == ["passed over: the link leads to a folder that is read already"] * 2
