"""Each layout is read as its authors mean it, and nothing in a folder vanishes."""

import json
import zipfile
from pathlib import Path

import pytest

from monai_minority.data import UnusableDataError, cohort_from_folder, find_cohort
from monai_minority.data.cohort.cases import chosen_kinds, is_label_map, names_of
from monai_minority.data.sources import image_folder
from tests.dicom_files import new_series, write_series

MODALITIES = ("flair", "t1", "t1ce", "t2")


def _touch(root, *names):
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")


def _subjects(cohort):
    return dict(zip((Path(file).name for file in cohort.table["image"]), cohort.table["subject"], strict=True))


def _everything(cohort):
    entries = (*cohort.rejected, *cohort.passed_over)
    return {*cohort.table["image"].map(str), *(entry.file for entry in entries)}


BRATS = {
    "brats 2020": "{case}/{case}_{kind}.nii.gz",
    "names without the case": "{case}/{kind}.nii.gz",
    "flat": "{case}_{kind}.nii.gz",
    "a folder a modality": "{kind}/{case}.nii.gz",
    "an inner folder": "{case}/nifti/{kind}.nii.gz",
    "modality first": "{kind}_{case}.nii.gz",
}


@pytest.mark.parametrize("name", BRATS)
def test_modalities_of_a_case_are_one_subject_and_a_choice(tmp_path, name):
    cases = ["BraTS20_Training_001", "BraTS20_Training_002"]
    _touch(tmp_path, *[BRATS[name].format(case=case, kind=kind) for case in cases for kind in (*MODALITIES, "seg")])
    with pytest.raises(UnusableDataError, match=r"flair \(2\), t1 \(2\), t1ce \(2\), t2 \(2\); choose one") as caught:
        find_cohort(tmp_path)
    assert len(caught.value.entries) == 10, "cohort.csv can name all files all the same"
    cohort = find_cohort(tmp_path, modality="t1")
    assert sorted(cohort.table["subject"]) == cases
    assert all(
        "t1" in Path(file).relative_to(tmp_path).as_posix().replace("t1ce", "") for file in cohort.table["image"]
    )
    assert len(cohort.passed_over) == 8 and cohort.rejected == []
    two = find_cohort(tmp_path, modality=["T1", "t2"])
    assert sorted(two.table["subject"]) == [cases[0]] * 2 + [cases[1]] * 2
    with pytest.raises(
        ValueError, match="modality cannot be chosen where names of files and folders tell of none, got t1"
    ):
        chosen_kinds("t1", {})
    with pytest.raises(ValueError, match="modality must be one of flair, t1, t1ce, t2, got t3"):
        find_cohort(tmp_path, modality="t3")


def test_a_case_without_the_chosen_modality_is_rejected(tmp_path):
    _touch(tmp_path, "A/t1.nii", "A/t2.nii", "B/t2.nii")
    cohort = find_cohort(tmp_path, modality="t1")
    assert [(entry.subject, entry.reason) for entry in cohort.rejected] == [("B", "the case has no t1")]


def test_time_points_of_brats_are_one_person():
    names = names_of([f"BraTS-GLI-00005-00{visit}/BraTS-GLI-00005-00{visit}-t1n.nii.gz" for visit in (0, 1)])
    assert {name.case for name in names} == {"BraTS-GLI-00005"}


@pytest.mark.parametrize(
    ("paths", "cases"),
    [
        (["good0.nii.gz", "good1.nii.gz"], ["good0", "good1"]),
        (["A/brain.nii", "B/brain.nii"], ["A", "B"]),
        (["A/scan1.nii", "A/scan2.nii", "B/scan1.nii"], ["A", "A", "B"]),
        (["P1/P1_2020.nii", "P1/P1_2021.nii", "P2/P2_2020.nii"], ["P1", "P1", "P2"]),
        (["P01_v1.nii", "P01_v2.nii", "P02_v1.nii"], ["P01", "P01", "P02"]),
        (["anna_visit1.nii", "anna_visit2.nii"], ["anna", "anna"]),
        (["visit1/P1.nii", "visit2/P1.nii", "visit1/P2.nii"], ["P1", "P1", "P2"]),
        (["siteA/P01/t1.nii", "siteB/P01/t1.nii"], ["siteA/P01", "siteB/P01"]),
        (["scan_T1_001.nii", "scan_T1_002.nii"], ["scan_T1_001", "scan_T1_002"]),
        (["img_v1.nii", "img_v2.nii"], ["img_v1", "img_v2"]),
    ],
)
def test_files_of_one_case_are_one_subject(tmp_path, paths, cases):
    _touch(tmp_path, *paths)
    table = find_cohort(tmp_path).table
    assert sorted(table["subject"]) == sorted(cases)


@pytest.mark.parametrize(
    "name",
    [
        *("P1_seg.nii.gz", "P1-seg.nii", "P1_brain_mask.nii.gz", "P1_brainmask.mgz", "aparc+aseg.mgz", "P1_dseg.nii"),
        *("labelsTr/P1.nii.gz", "Masks/P1.nii", "P1_label_1.nii", "tumorMask.nrrd", "P1_roi.mha", "P1_T1Seg.nii"),
    ],
)
def test_names_of_label_maps(name):
    assert is_label_map(name)


@pytest.mark.parametrize(
    "name", ["P1.nii", "P1_t1.nii", "T1_masked.nii", "Segura_t1.nii", "gt01_t1.nii", "rois_study/P1.nii"]
)
def test_names_of_images(name):
    assert not is_label_map(name)


def test_label_maps_alone_are_no_cohort(tmp_path):
    _touch(tmp_path, "labelsTr/a.nii.gz", "labelsTr/b.nii.gz")
    with pytest.raises(UnusableDataError, match="label maps by their names. If they are images, list them in a CSV"):
        find_cohort(tmp_path)


@pytest.mark.parametrize("mark", ["participants.tsv", "Participants.tsv", "dataset_description.json", None])
def test_bids_by_any_of_its_marks(tmp_path, mark):
    _touch(
        tmp_path,
        *[f"sub-0{i}/anat/sub-0{i}_{suffix}.nii.gz" for i in range(3) for suffix in ("T1w", "FLAIR")],
        "sub-00/func/sub-00_task-rest_bold.nii.gz",
        "sub-00/anat/sub-00_part-phase_T1w.nii.gz",
        "derivatives/seg/sub-00/anat/sub-00_desc-brain_mask.nii.gz",
        "sub-00/anat/sub-00_T1w.json",
    )
    if mark:
        (tmp_path / mark).write_text("participant_id\tgroup\n0\tx\n1\ty\n2\tz\n" if mark.endswith("tsv") else "{}")
    cohort = find_cohort(tmp_path)
    assert _subjects(cohort) == {f"sub-0{i}_T1w.nii.gz": f"sub-0{i}" for i in range(3)}
    assert cohort.rejected == [] and cohort.layout == "a BIDS data set"
    assert {str(path) for path in tmp_path.rglob("*.nii.gz") if "derivatives" not in str(path)} <= _everything(cohort)
    assert len(find_cohort(tmp_path, modality="flair")) == 3
    if mark in ("participants.tsv", "Participants.tsv"):
        assert find_cohort(tmp_path, group="Group").table["group"].tolist() == ["x", "y", "z"]
    else:
        with pytest.raises(ValueError, match=r"group must be a column of participants.tsv, but .* has no such table"):
            find_cohort(tmp_path, group="group")
    with pytest.raises(
        ValueError, match="dataset_options must be among suffix, modality, group, severity, split, kind"
    ):
        find_cohort(tmp_path, age="age")


def test_the_decathlon_by_its_list(tmp_path):
    _touch(tmp_path, *[f"imagesTr/h_00{i}.nii.gz" for i in (1, 2)], "labelsTr/h_001.nii.gz", "imagesTs/h_003.nii.gz")
    content = {
        "name": "Hippocampus",
        "modality": {"0": "MRI"},
        "training": [{"image": f"./imagesTr/h_00{i}.nii.gz", "label": f"./labelsTr/h_00{i}.nii.gz"} for i in (1, 2)],
        "test": ["./imagesTs/h_003.nii.gz"],
    }
    (tmp_path / "dataset.json").write_text(json.dumps(content))
    cohort = find_cohort(tmp_path)
    assert cohort.table[["subject", "split"]].to_numpy().tolist() == [
        ["h_001", "train"],
        ["h_002", "train"],
        ["h_003", "test"],
    ]
    reasons = {Path(entry.file).parent.name: entry.reason for entry in cohort.passed_over}
    assert "label map" in reasons["labelsTr"]
    _touch(tmp_path, "imagesTr/h_009.nii.gz")
    reasons = {Path(entry.file).name: entry.reason for entry in find_cohort(tmp_path).passed_over}
    assert reasons["h_009.nii.gz"] == "passed over: the data list does not name it"


@pytest.mark.parametrize("listed", [True, False])
def test_channels_of_nnunet(tmp_path, listed):
    files = [f"imagesTr/c{i}_000{channel}.nii.gz" for i in (1, 2) for channel in (0, 1)]
    _touch(
        tmp_path,
        *files,
        "labelsTr/c1.nii.gz",
        "labelsTr/c2.nii.gz",
        "imagesTs/c3_0000.nii.gz",
        "imagesTs/c3_0001.nii.gz",
    )
    training = [{"image": "./imagesTr/c1.nii.gz", "label": "./labelsTr/c1.nii.gz"}]  # nnU-Net 1 lists no channels
    content = {"channel_names": {"0": "T1", "1": "T2"}} | ({"training": training} if listed else {})
    (tmp_path / "dataset.json").write_text(json.dumps(content))
    with pytest.raises(UnusableDataError, match=r"3 cases .* T1 \(3\), T2 \(3\); choose one"):
        find_cohort(tmp_path)
    for modality in ("T2", "t2", 1, "0001"):
        cohort = find_cohort(tmp_path, modality=modality)
        assert _subjects(cohort) == {"c1_0001.nii.gz": "c1", "c2_0001.nii.gz": "c2", "c3_0001.nii.gz": "c3"}
        assert cohort.table["split"].tolist() == [None, None, "test"]


def test_one_channel_of_nnunet_needs_no_choice(tmp_path):
    _touch(tmp_path, "imagesTr/c1_0000.nii.gz", "imagesTr/c2_0000.nii.gz", "labelsTr/c1.nii.gz")
    assert sorted(find_cohort(tmp_path).table["subject"]) == ["c1", "c2"]


def test_numbers_of_four_digits_elsewhere_are_subjects(tmp_path):
    _touch(tmp_path, "P_0000.nii", "P_0001.nii")
    assert sorted(find_cohort(tmp_path).table["subject"]) == ["P_0000", "P_0001"]


def test_a_few_nifti_files_beside_dicom(tmp_path):
    for number in range(3):
        write_series(tmp_path / f"P{number}", new_series(PatientID=f"P{number}"))
    _touch(tmp_path, "P0/converted/t1.nii.gz", "P0/converted/t1.json")
    cohort = find_cohort(tmp_path)
    assert sorted(cohort.table["subject"]) == ["P0", "P1", "P2"]
    assert {Path(entry.file).name: entry.reason for entry in cohort.passed_over} == {
        "t1.nii.gz": "passed over: a volume beside images of another kind; dataset_options={kind: volume} takes it",
        "t1.json": "passed over: it is no image",
    }
    assert _subjects(find_cohort(tmp_path, kind="volume")) == {"t1.nii.gz": "t1"}
    with pytest.raises(ValueError, match="kind must be one of volume, dicom, picture, got 'nifti'"):
        find_cohort(tmp_path, kind="nifti")


def test_dicom_without_a_preamble_is_found(tmp_path):
    files = write_series(tmp_path, new_series())
    for file in files:
        file.write_bytes(file.read_bytes()[132:])
        file.rename(file.with_suffix(""))
    assert find_cohort(tmp_path).layout == "DICOM series"


def test_archives_and_foreign_formats_say_what_to_do(tmp_path):
    (tmp_path / "zip").mkdir()
    with zipfile.ZipFile(tmp_path / "zip/study.zip", "w") as archive:
        archive.writestr("a", "b")
    with pytest.raises(UnusableDataError, match=r"it holds 1 archive \(.zip\); unpack the archives"):
        find_cohort(tmp_path / "zip")
    with pytest.raises(ValueError, match="study.zip must be a folder or .* it is one archive; unpack it"):
        find_cohort(tmp_path / "zip/study.zip")
    _touch(tmp_path / "minc", "a.mnc", "b.mnc")
    with pytest.raises(UnusableDataError, match=r"2 files of a format that is not read \(.mnc\); convert the volumes"):
        find_cohort(tmp_path / "minc")
    _touch(tmp_path / "some", "a.nii", "b.mnc", "c.zip")
    cohort = find_cohort(tmp_path / "some")
    assert len(cohort) == 1 and len(_everything(cohort)) == 3
    (tmp_path / "empty").mkdir()
    with pytest.raises(UnusableDataError, match="it holds nothing; NIfTI, MGH, NRRD and MetaImage volumes"):
        find_cohort(tmp_path / "empty")


def test_pairs_of_header_and_voxels_are_one_file(tmp_path):
    _touch(tmp_path, "a.hdr", "a.img", "b.mhd", "b.raw", "c.img")
    cohort = find_cohort(tmp_path)
    assert cohort.table["subject"].tolist() == ["a", "b"]
    assert [Path(entry.file).name for entry in cohort.passed_over] == ["c.img"]


def test_an_option_that_the_layout_has_no_place_for(tmp_path):
    _touch(tmp_path, "a.nii")
    message = "dataset_options must be among subject_pattern, modality, kind for volumes in folders, got group"
    with pytest.raises(ValueError, match=message):
        find_cohort(tmp_path, group="group")


def test_a_link_that_leads_nowhere_names_the_remedy(tmp_path):
    _touch(tmp_path, "a.nii")
    (tmp_path / "b.nii").symlink_to("../.git/annex/objects/x/b.nii")
    (tmp_path / "c.nii").symlink_to("gone.nii")
    reasons = {Path(entry.file).name: entry.reason for entry in find_cohort(tmp_path).rejected}
    assert "datalad get" in reasons["b.nii"] and reasons["c.nii"] == "the link leads nowhere"


def test_an_inner_folder_of_every_class_is_no_class(tmp_path):
    for place in ("train/cat/images", "train/dog/images", "val/dog/images"):
        _touch(tmp_path, *[f"{place}/{n}.JPEG" for n in range(2)])
    table = image_folder(tmp_path).table
    _touch(tmp_path, "train/cat/images/x.gif")
    assert len(image_folder(tmp_path).passed_over) == 1, "a picture that is not read is named"
    assert table.groupby("split")["group"].unique().map(list).to_dict() == {
        "train": ["cat", "dog"],
        "validation": ["dog"],
    }


def test_masks_beside_pictures_are_passed_over_and_every_format_is_counted(tmp_path):
    _touch(tmp_path, "benign/b (1).png", "benign/b (1)_mask.png", "benign/b (1)_mask_1.png", "with_mask/1.tif", "x.gif")
    cohort = find_cohort(tmp_path)
    assert sorted(cohort.table["group"]) == ["benign", "with_mask"]
    assert len(_everything(cohort)) == 5
    assert cohort.holds == "4 pictures (3 .png, 1 .tif), 1 file of a format that is not read (.gif)"


def test_the_account_names_no_file(tmp_path):
    _touch(tmp_path, "Jane_t1.nii", "Jane_seg.nii", "John_t1.nii", "notes.txt")
    (tmp_path / "Lost.nii").symlink_to("gone")
    text = "\n".join(find_cohort(tmp_path).account())
    assert "used: 2 images of 2 subjects" in text and "label map" in text and "it holds 4 volumes" in text
    assert not any(name in text for name in ("Jane", "John", "Lost", str(tmp_path)))


def test_a_pattern_still_says_what_a_subject_is(tmp_path):
    _touch(tmp_path, "x1/a_t1.nii", "x1/b_t1.nii", "y/c_t1.nii")
    cohort = cohort_from_folder(tmp_path, subject_pattern=r"(x\d)/")
    assert cohort.table["subject"].tolist() == ["x1", "x1"] and len(cohort.rejected) == 1
